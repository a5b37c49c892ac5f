"""Smirnov's one-sided test against scipy, and what raises it."""

import numpy as np
import pytest
from scipy import stats

from recloop.errors import DataError
from recloop.stats import uniformity


@pytest.mark.parametrize("seed", range(5))
def test_as_scipy(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.8, 1, 30 + seed)
    found = uniformity([*p, np.nan], alpha=0.1)
    oracle = stats.kstest(p, "uniform", alternative="greater", method="exact")
    assert (found.n, found.distance) == (p.size, pytest.approx(oracle.statistic))
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-6)
    count = int((p < 0.1).sum())
    assert found.p_below == pytest.approx(stats.binomtest(count, p.size, 0.1, alternative="greater").pvalue)


def test_only_small_p_values_raise_it() -> None:
    rng = np.random.default_rng(1)
    assert uniformity(rng.uniform(size=200) ** 2).p_value < 1e-4
    assert uniformity(np.sqrt(rng.uniform(size=200))).p_value > 0.5
    assert uniformity(np.ones(20)).p_value == 1.0


@pytest.mark.parametrize(
    ("values", "message"), [([], "there are no p-values"), ([0.1, 1.2], r"run from 0.1 to 1.2; they lie between")]
)
def test_what_are_no_p_values(values: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        uniformity(values)
