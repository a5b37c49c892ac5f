"""One cap for both arms, the same users above and below the line, the uncapped effect beside it."""

import math

import numpy as np
import pytest
from scipy.stats.mstats import winsorize

from recloop.errors import DataError, SettingError
from recloop.stats import Moments, cap, ratio, welch, winsorised

SLACK = 3 * (0.05 * 0.95) ** 0.5


def revenue(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random(n) < 0.2) * rng.lognormal(3, 1.2, n)


def test_against_scipy_on_both_arms_together() -> None:
    rng = np.random.default_rng(0)
    t, c = revenue(rng, 300), revenue(rng, 500)
    cut = np.asarray(winsorize(np.concatenate([t, c]), limits=(None, 0.02)))
    found = winsorised(t, c, q=0.98, among="all")
    assert found.cap == cut.max()
    assert found.effect == welch(Moments.of(cut[:300]), Moments.of(cut[300:]))
    assert found.uncapped == welch(Moments.of(t), Moments.of(c))
    assert found.treatment_capped + found.control_capped == 16
    assert found.treatment_capped == (t > found.cap).sum()


def test_whose_quantile_it_is() -> None:
    t, c = [0.0] * 90 + list(range(1, 11)), [0.0] * 100
    assert cap(t, c, 0.9) == 9
    assert cap(t, c, 0.98, among="all") == 6
    with pytest.raises(DataError, match=r"the 0.9 quantile of all users is 0; take a higher q, or among='not zero'"):
        cap(t, c, 0.9, among="all")


def test_a_ratio_keeps_its_users_and_its_denominator() -> None:
    t = np.array([1.0, 2.0, 90.0]), np.array([1.0, 4.0, 5.0])
    c = np.array([2.0, 3.0, 4.0]), np.array([2.0, 2.0, 2.0])
    found = winsorised(t, c, q=0.8)
    assert found.cap == 4
    assert found.effect == ratio(Moments.of([1.0, 2.0, 4.0], t[1]), Moments.of(*c))
    assert found.uncapped == ratio(Moments.of(*t), Moments.of(*c))


def test_values_below_the_cap_stay_negative_ones_too() -> None:
    found = winsorised([-50.0, 1.0, 2.0], [1.0, 2.0, 3.0], q=0.99)
    assert found.effect == found.uncapped
    assert found.treatment_capped == found.control_capped == 0


def test_error_rate_coverage_and_width() -> None:
    """Coverage of the difference of the means of capped values, which is what is estimated; a cap over the arms of one
    experiment hardly moves."""
    worlds, rng = 800, np.random.default_rng(1)
    large = revenue(rng, 1_000_000)
    limit = cap(large * 1.3, large, 0.95)
    true = np.minimum(large * 1.3, limit).mean() - np.minimum(large, limit).mean()
    alarms = covered = 0
    narrower = []
    for _ in range(worlds):
        t, c = revenue(rng, 400), revenue(rng, 600)
        same = winsorised(t, c, q=0.95)
        alarms += same.effect.p_value < 0.05
        narrower.append((same.effect.high - same.effect.low) / (same.uncapped.high - same.uncapped.low))
        more = winsorised(t * 1.3, c, q=0.95).effect
        covered += more.low <= true <= more.high
    assert alarms / worlds == pytest.approx(0.05, abs=SLACK / worlds**0.5)
    assert covered / worlds == pytest.approx(0.95, abs=SLACK / worlds**0.5)
    assert np.mean(narrower) < 0.85


def test_errors() -> None:
    with pytest.raises(SettingError, match=r"q is 99; it lies between 0 and 1; 0\.99 cuts"):
        winsorised([1.0, 2.0], [1.0, 2.0], q=99)
    with pytest.raises(SettingError, match="among is 'some'; 'all' or 'not zero'"):
        cap([1.0], [1.0], among="some")
    with pytest.raises(DataError, match="no user of either arm has a value that is not zero"):
        winsorised([0.0, 0.0], [0.0, 0.0])
    with pytest.raises(DataError, match="1 of 4 values are NaN or infinite"):
        winsorised([1.0, math.inf], [1.0, 2.0])
