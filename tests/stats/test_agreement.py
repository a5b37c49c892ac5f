"""Rank correlation and the line between two noisy judges: known answers, and simulation of their ends."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from recloop.errors import DataError
from recloop.stats.agreement import calibrate, rank_correlation


def test_rank_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=30).round(1), rng.normal(size=30).round(1)  # with ties
    assert rank_correlation(x, y).correlation == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_pearsons_data_with_yorks_weights() -> None:
    """The standard example of fits with errors in both: York 1966, table II; slope -0.4805, intercept 5.4799."""
    x = [0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4]
    y = [5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5]
    wx = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0])
    wy = np.array([1.0, 1.8, 4.0, 8.0, 20, 20, 70, 70, 100, 500])
    found = calibrate(x, wx**-0.5, y, wy**-0.5)
    assert found.slope == pytest.approx(-0.48053, abs=1e-4)
    assert found.intercept == pytest.approx(5.47991, abs=1e-4)
    assert found.slope_low < -0.48 < found.slope_high


def test_noise_of_the_first_judge_does_not_flatten_the_line_and_ends_cover() -> None:
    rng = np.random.default_rng(2)
    slopes, inside, zero = [], 0, 0
    for _ in range(200):
        true = rng.normal(0, 0.2, 12)
        x, y = true + rng.normal(0, 0.1, 12), 0.02 + 0.5 * true + rng.normal(0, 0.05, 12)
        found = calibrate(x, np.full(12, 0.1), y, np.full(12, 0.05))
        slopes.append(found.slope)
        inside += found.slope_low <= 0.5 <= found.slope_high
        zero += found.intercept_low <= 0.02 <= found.intercept_high
    assert np.median(slopes) == pytest.approx(0.5, abs=0.03)  # least squares would say 0.4
    assert inside >= 183  # of 190 expected
    assert zero >= 183


def test_points_that_say_nothing_of_a_slope_leave_it_open() -> None:
    found = calibrate([0.1, 0.1001, 0.0999], [0.5] * 3, [0.0, 1.0, 2.0], [0.5] * 3)
    assert (found.slope_low, found.slope_high) == (-np.inf, np.inf)


def test_too_few_pairs() -> None:
    with pytest.raises(DataError, match=r"at least 3 pairs of numbers; wait for more experiments"):
        calibrate([1, 2], [0, 0], [1, 2], [1, 1])
    with pytest.raises(DataError, match=r"a standard error is negative, or that of y is zero"):
        calibrate([1, 2, 3], [0, 0, 0], [1, 2, 3], [1, 0, 1])
    assert np.isnan(rank_correlation([1, 2, 3], [1, 2, 2]).low)
