"""Cochran's test against a published meta-analysis, scipy, and its error rate at one look and at every look."""

import numpy as np
import pytest
from scipy import stats

from recloop.errors import DataError
from recloop.stats import Estimate, Moments, confidence_sequence, heterogeneity

# 13 trials of the BCG vaccine: cases and others, vaccinated and not (Colditz et al., JAMA 271, 1994)
BCG = [
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
]  # fmt: skip


def log_risk_ratio(a: int, b: int, c: int, d: int) -> Estimate:
    return Estimate(np.log(a / (a + b) / (c / (c + d))), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d), a + b + c + d)


def test_trials_of_a_vaccine() -> None:
    """Q(df = 12) = 152.2330 is printed by W. Viechtbauer, Journal of Statistical Software 36(3), 2010, for these."""
    found = heterogeneity([log_risk_ratio(*trial) for trial in BCG])
    assert (found.q, found.df) == (pytest.approx(152.2330, abs=5e-5), 12)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.q, 12), rel=1e-9)
    assert found.i_squared == pytest.approx(1 - 12 / 152.2330, abs=1e-5)


def test_two_effects_are_walds_test_of_their_difference() -> None:
    found = heterogeneity([Estimate(0.3, 0.02, 50), Estimate(0.1, 0.01, 70)])
    assert found.p_value == pytest.approx(2 * stats.norm.sf(0.2 / np.sqrt(0.03)))
    assert found.pooled.value == pytest.approx((0.3 / 0.02 + 0.1 / 0.01) / 150)


def test_at_one_degree_of_freedom_the_mixture_is_that_of_the_confidence_sequence() -> None:
    """Two samples of one arm each are the treatment and the control of a difference."""
    a, b = Moments.from_summary(500, 0.60, 0.24), Moments.from_summary(500, 0.50, 0.25)
    found = heterogeneity([a.estimate(), b.estimate()], planned=1000)
    assert found.p_value == pytest.approx(confidence_sequence(a, b, planned=1000).p_value)


@pytest.mark.parametrize("segments", [2, 4])
def test_false_alarms_at_one_look_and_at_every_look(segments: int) -> None:
    rng, runs, looks, per_look = np.random.default_rng(3), 400, 25, 100
    once = ever = 0
    for _ in range(runs):
        sums = rng.normal(0, np.sqrt(per_look), (looks, segments)).cumsum(axis=0)
        n = per_look * np.arange(1, looks + 1)
        always = [
            heterogeneity([Estimate(s / m, 1 / m, m) for s in row], planned=int(n[-1]) * segments).p_value
            for row, m in zip(sums, n.tolist(), strict=True)
        ]
        once += heterogeneity([Estimate(s / n[-1], 1 / n[-1], 1) for s in sums[-1]]).p_value < 0.05
        ever += min(always) < 0.05
    error = np.sqrt(0.05 * 0.95 / runs)
    assert abs(once / runs - 0.05) < 3 * error
    assert ever / runs < 0.05 + 2 * error


@pytest.mark.parametrize(
    ("effects", "message"),
    [
        ([Estimate(0.1, 0.1, 9)], "there are 1 effects to compare; at least 2"),
        ([Estimate(0.1, 0.1, 9), Estimate(0.1, 0.0, 9)], "an effect has no variance"),
    ],
)
def test_what_cannot_be_compared(effects: list[Estimate], message: str) -> None:
    with pytest.raises(DataError, match=message):
        heterogeneity(effects)
