from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from recloop.errors import DataError
from recloop.stats.effect import Effect, check_alpha, difference, satterthwaite
from recloop.stats.moments import Moments, Values


class Mean(NamedTuple):
    """A mean with its interval, over the n values that are defined."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: Values, alpha: float = 0.05) -> Mean:
    """Mean of the values that are not NaN, with the interval of Student's t.

    Below two values the interval is (-inf, inf); with none the mean is NaN.

    >>> mean_interval([1.0, 2.0, 3.0, float("nan")])
    Mean(mean=2.0, low=-0.484137..., high=4.484137..., n=3)
    """
    check_alpha(alpha)
    column = np.asarray(values, dtype=np.float64).ravel()
    moments = Moments.of(column[~np.isnan(column)])
    if moments.n < 2:
        return Mean(moments.mean if moments.n else np.nan, -np.inf, np.inf, moments.n)
    half = float(stdtrit(moments.n - 1, 1 - alpha / 2)) * (moments.var / moments.n) ** 0.5
    return Mean(moments.mean, moments.mean - half, moments.mean + half, moments.n)


def welch(treatment: Moments, control: Moments, alpha: float = 0.05) -> Effect:
    """Difference of two means with unequal variances; the units must be independent (users, not rows).

    Source: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34 (1947).

    Raises:
        DataError: an arm has fewer than two users, or two columns (a ratio).

    >>> e = welch(Moments.of([3.0, 4.0, 5.0, 6.0]), Moments.of([1.0, 2.0, 3.0, 4.0]))
    >>> e.estimate, round(e.low, 3), round(e.high, 3), round(e.p_value, 4)
    (2.0, -0.234, 4.234, 0.071)
    """
    if treatment.x_mean is not None or control.x_mean is not None:
        raise DataError("Welch's test compares means, and these are ratios", advice="use stats.ratio")
    a, b = treatment.estimate(), control.estimate()
    return difference(a, b, alpha, satterthwaite(a, b), "Welch")
