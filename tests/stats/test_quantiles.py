"""Quantiles against order statistics (scipy), the asymptotic variance, and by simulation with clustered users."""

import math

import numpy as np
import pytest
import scipy.stats

from recloop.errors import DataError, SettingError
from recloop.stats import quantile, quantile_difference

SLACK = 3 * (0.05 * 0.95) ** 0.5


@pytest.mark.parametrize("q", [0.25, 0.5, 0.9])
def test_a_row_per_user_against_the_order_statistics_of_scipy(q: float) -> None:
    values = np.random.default_rng(0).lognormal(0, 1, 5000)
    found = quantile(values, q)
    oracle = scipy.stats.quantile_test(values, q=np.quantile(values, q), p=q).confidence_interval()
    assert 2 * 1.96 * found.variance**0.5 == pytest.approx(oracle.high - oracle.low, rel=0.05)


def test_asymptotic_variance() -> None:
    """q (1 - q) / f^2 over n, averaged over samples: the spacing of order statistics is noisy in each."""
    rng, q, n = np.random.default_rng(1), 0.8, 4000
    density = scipy.stats.norm.pdf(scipy.stats.norm.ppf(q))
    found = np.mean([quantile(rng.normal(size=n), q).variance for _ in range(100)])
    assert found == pytest.approx(q * (1 - q) / density**2 / n, rel=0.05)


def test_rows_of_equal_users_count_once() -> None:
    """Each user's value twenty times over tells no more than once."""
    values = np.random.default_rng(2).normal(size=2000)
    users = np.arange(2000)
    once = quantile(values, 0.7)
    often = quantile(np.tile(values, 20), 0.7, np.tile(users, 20))
    assert often.n == 2000
    assert often.variance == pytest.approx(once.variance, rel=0.02)


def test_users_are_ids_of_any_kind() -> None:
    values = np.random.default_rng(3).normal(size=600)
    users = np.arange(600) // 3
    named = quantile(values, 0.5, np.array([f"u{user}" for user in users]))
    assert named == quantile(values, 0.5, users)


def latencies(rng: np.random.Generator, users: int, more: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows per user are many and skewed; a user's rows are alike, and heavy users are slower."""
    rows = 1 + rng.poisson(rng.gamma(1, 4, users))
    whose = np.repeat(np.arange(users), rows)
    slow = rng.normal(0, 0.6, users) + 0.02 * rows
    return whose, rng.lognormal(slow[whose] + more, 0.4)


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_error_rate_with_clustered_users(q: float) -> None:
    worlds, rng = 400, np.random.default_rng(4)
    alarms = naive = 0
    for _ in range(worlds):
        t, c = latencies(rng, 300), latencies(rng, 400)
        alarms += quantile_difference(t, c, q).p_value < 0.05
        rows = [np.arange(one[0].size) for one in (t, c)]
        naive += quantile_difference((rows[0], t[1]), (rows[1], c[1]), q).p_value < 0.05
    assert alarms / worlds < 0.05 + SLACK / worlds**0.5
    assert alarms / worlds > 0.05 - SLACK / worlds**0.5 - 0.01
    assert naive / worlds > 0.15  # rows taken as users


def test_coverage_of_a_true_difference() -> None:
    worlds, q, more, rng = 400, 0.9, 0.3, np.random.default_rng(5)
    true = np.quantile(latencies(rng, 400_000)[1], q) * math.expm1(more)
    covered = relative = 0
    for _ in range(worlds):
        e = quantile_difference(latencies(rng, 300, more), latencies(rng, 400), q)
        covered += e.low <= true <= e.high
        relative += e.relative_low <= math.expm1(more) <= e.relative_high
    assert covered / worlds == pytest.approx(0.95, abs=SLACK / worlds**0.5)
    assert relative / worlds == pytest.approx(0.95, abs=SLACK / worlds**0.5)


def test_errors() -> None:
    values = np.random.default_rng(6).normal(size=100)
    with pytest.raises(SettingError, match=r"the quantile is 95; it lies between 0 and 1; 0\.95 for the 95th"):
        quantile(values, 95)
    with pytest.raises(DataError, match=r"100 values of 100 users say too little of the 0\.99 quantile"):
        quantile(values, 0.99)
    with pytest.raises(DataError, match=r"100.0% of the values equal the 0\.5 quantile, 1"):
        quantile(np.ones(100))
    with pytest.raises(DataError, match=r"80.0% of the values equal the 0\.5 quantile, 0.*share of values above"):
        quantile(np.repeat([0.0, 1.0, 2.0], [80, 10, 10]), 0.5)
    with pytest.raises(DataError, match="1 of 2 values are NaN"):
        quantile([1.0, math.nan])
    with pytest.raises(DataError, match="1 values are too few"):
        quantile([1.0])
    with pytest.raises(DataError, match="1 users are too few"):
        quantile(values, 0.5, np.zeros(100))
    with pytest.raises(DataError, match="99 users and 100 values"):
        quantile(values, 0.5, np.arange(99))
