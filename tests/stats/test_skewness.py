"""The users that a skewed metric needs in arms of unequal size: known skewnesses, and the error rate it is for."""

import math

import numpy as np
import pytest
from scipy import stats

from recloop.errors import DataError
from recloop.stats import sequences
from recloop.stats.skewness import effective_users, skewness, users_needed


def test_skewness_of_known_values() -> None:
    rng = np.random.default_rng(1)
    values = rng.gamma(2.0, 3.0, 5000)
    assert skewness(values) == pytest.approx(stats.skew(values))
    assert skewness([1.0] * 10 + [0.0] * 990) == pytest.approx((1 - 0.02) / math.sqrt(0.01 * 0.99))
    assert skewness(values, values + 100) == pytest.approx(stats.skew(values))  # each arm around its own mean
    assert skewness([3.0, 3.0]) == skewness([]) == 0.0


def test_effective_users_are_those_of_a_mean_that_is_as_skewed() -> None:
    """By cumulants of gamma variables: k-th cumulant of a mean of n is that of a value over n^(k-1)."""
    shape, n, m = 0.5, 80, 400
    third = 2 * shape * (1 / n**2 - 1 / m**2)
    variance = shape * (1 / n + 1 / m)
    value = 2 / math.sqrt(shape)
    assert abs(third) / variance**1.5 == pytest.approx(value / math.sqrt(effective_users(n, m)))
    assert effective_users(m, n) == effective_users(n, m)
    assert math.isinf(effective_users(50, 50))
    with pytest.raises(DataError, match="arms of 0 and 5 users"):
        effective_users(0, 5)
    needed = users_needed(10.0, 100, 900)
    assert users_needed(10.0, needed, 9 * needed) == 0
    assert users_needed(10.0, needed - 5, 9 * (needed - 5)) == needed


@pytest.mark.parametrize(("rate", "least"), [(0.05, 0.06), (0.01, 0.12)])
def test_looking_from_then_on_keeps_the_promise_that_looking_from_100_users_on_breaks(
    rate: float, least: float
) -> None:
    """Buyers in arms of 1 : 10, planned 2,000 users of the small one (500 of frequent buyers); a look after each percent."""
    rng, small, worlds = np.random.default_rng(7), 2000 if rate < 0.05 else 500, 1200
    n = small // 100 * np.arange(1, 101)
    t, c = (rng.binomial(small // 100 * times, rate, (worlds, 100)).cumsum(axis=1) for times in (1, 10))
    p, q = t / n, c / (10 * n)
    error = np.sqrt(p * (1 - p) / (n - 1) + q * (1 - q) / (10 * n - 1))
    z = np.divide(p - q, error, out=np.zeros_like(p), where=error > 0)
    beyond = np.abs(z) > [sequences.boundary(share / 100, 0.05) for share in range(1, 101)]
    both = np.clip((t + c) / (11 * n), 1e-9, 1)
    skew = (1 - 2 * both) / np.sqrt(both * (1 - both))
    trusted = np.array(
        [[not users_needed(one, int(a), 10 * int(a)) for one, a in zip(row, n, strict=True)] for row in skew]
    )
    assert (beyond & (n >= 100)).any(axis=1).mean() > least
    assert trusted[:, -1].mean() > 0.5
    assert (beyond & trusted).any(axis=1).mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
