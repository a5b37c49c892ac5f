"""How far one judge can be trusted to foretell another: the order of their answers, and their size."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri, ndtri

from recloop.errors import DataError
from recloop.stats.effect import check_alpha
from recloop.stats.ranks import average_ranks

ORDER, SIZE = 4, 3  # pairs that an interval of the rank correlation, and a slope, need


@dataclass(frozen=True, slots=True)
class Ordering:
    """Spearman's rank correlation of n pairs; its ends are NaN below four pairs."""

    correlation: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Line:
    """``y = intercept + slope x``, each with both ends; an end is infinite where the data leave it open."""

    slope: float
    slope_low: float
    slope_high: float
    intercept: float
    intercept_low: float
    intercept_high: float
    n: int


def rank_correlation(x: ArrayLike, y: ArrayLike, alpha: float = 0.05) -> Ordering:
    """Whether both put things in one order.

    Source: C. Spearman, American Journal of Psychology 15 (1904); for the interval D. G. Bonett, T. A. Wright, "Sample
    size requirements for estimating Pearson, Kendall and Spearman correlations", Psychometrika 65 (2000).

    Raises:
        DataError: fewer than two pairs, lengths that differ, or a value that is no number.

    >>> found = rank_correlation([1, 2, 3, 4, 5], [1, 3, 2, 4, 5])
    >>> round(found.correlation, 2), round(found.low, 2), round(found.high, 2)
    (0.9, -0.17, 1.0)
    """
    check_alpha(alpha)
    a, b = _pairs(x, y, 2)
    n = a.size
    p, q = average_ranks(a) - (n + 1) / 2, average_ranks(b) - (n + 1) / 2
    scale = math.sqrt(float(p @ p) * float(q @ q))
    r = float(p @ q) / scale if scale else math.nan
    if n < ORDER or not abs(r) < 1:
        return Ordering(r, math.nan, math.nan, n)
    half = -float(ndtri(alpha / 2)) * math.sqrt((1 + r * r / 2) / (n - 3))
    middle = math.atanh(r)
    return Ordering(r, math.tanh(middle - half), math.tanh(middle + half), n)


def calibrate(x: ArrayLike, x_errors: ArrayLike, y: ArrayLike, y_errors: ArrayLike, alpha: float = 0.05) -> Line:
    """The line that turns what one judge says into what the other finds, where both are noisy and tell how much.

    It minimises ``sum((y - a - b x)^2 / (s_y^2 + b^2 s_x^2))``. A plain regression would take the noise of x for a
    slope that is too small. Ends are those of the profile: slopes (or intercepts) whose sum is above the smallest by
    less than chi-square says. Where points scatter more than their errors tell, errors are widened by that much.

    Args:
        x: (n,) what the first judge said.
        x_errors: (n,) standard errors, 0 where it has none.
        y: (n,) what the second found.
        y_errors: (n,) standard errors, above 0.
        alpha: error rate.

    Source: D. York, "Least-squares fitting of a straight line", Canadian Journal of Physics 44 (1966); the widening:
    R. T. Birge, Physical Review 40 (1932).

    Raises:
        DataError: fewer than three pairs, or an error that is negative or, of y, zero.

    >>> found = calibrate([0.0, 1.0, 2.0, 3.0], [0.0] * 4, [1.0, 3.0, 5.0, 7.0], [0.1] * 4)
    >>> round(found.slope, 3), round(found.intercept, 3), round(found.slope_low, 3), round(found.slope_high, 3)
    (2.0, 1.0, 1.912, 2.088)
    """
    check_alpha(alpha)
    a, b = _pairs(x, y, SIZE)
    s, t = _pairs(x_errors, y_errors, SIZE)
    if (s < 0).any() or not (t > 0).all():
        raise DataError("a standard error is negative, or that of y is zero", allowed="above 0, and 0 at least for x")
    data = a, s, b, t
    slope = _best_slope(data)
    least, intercept = _misfit(slope, data)
    widen = max(1.0, least / max(a.size - 2, 1))
    reach = least + widen * float(chdtri(1, alpha))
    low = _end(lambda value: _misfit(value, data)[0] - reach, slope, -1.0, data)
    high = _end(lambda value: _misfit(value, data)[0] - reach, slope, 1.0, data)
    if not (math.isfinite(low) and math.isfinite(high)):  # slopes without end are allowed, and these have no sign
        low, high = -math.inf, math.inf
    error = math.sqrt(widen / float((1 / (t**2 + slope**2 * s**2)).sum()))
    middle = float(np.average(a, weights=1 / (t**2 + slope**2 * s**2)))
    ends = [intercept - abs(middle) * abs(slope - end) if math.isfinite(end) else -math.inf for end in (low, high)]
    half = -float(ndtri(alpha / 2)) * error
    down = intercept - math.hypot(half, intercept - min(ends)) if math.isfinite(min(ends)) else -math.inf
    up = 2 * intercept - down
    return Line(slope, low, high, intercept, down, up, a.size)


_Data = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _misfit(slope: float, data: _Data) -> tuple[float, float]:
    """The smallest sum at a slope, and its intercept."""
    sums, intercepts = _misfits(np.array([slope]), data)
    return float(sums[0]), float(intercepts[0])


def _misfits(slopes: NDArray[np.float64], data: _Data) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, s, y, t = data
    weights = 1 / (t**2 + np.square(slopes[:, None] * s))
    rest = y - slopes[:, None] * x
    intercepts = (weights * rest).sum(axis=1) / weights.sum(axis=1)
    return (weights * np.square(rest - intercepts[:, None])).sum(axis=1), intercepts


def _best_slope(data: _Data) -> float:
    """By a grid of angles, which may have several valleys, made finer around the best."""
    scale = float(np.std(data[2])) / (float(np.std(data[0])) or 1.0) or 1.0
    middle, half = 0.0, math.pi / 2 - 1e-4
    for _ in range(12):
        angles = np.linspace(middle - half, middle + half, 401)
        middle = float(angles[np.argmin(_misfits(scale * np.tan(angles), data)[0])])
        half = min(half / 50, math.pi / 2 - 1e-4 - abs(middle))
    return scale * math.tan(middle)


def _end(above: Callable[[float], float], slope: float, way: float, data: _Data) -> float:
    step = max(abs(slope), float(np.std(data[2])) / (float(np.std(data[0])) or 1.0), 1e-9)
    far = slope + way * step
    for _ in range(40):
        if above(far) > 0:
            return float(scipy.optimize.brentq(above, slope, far))
        step *= 2
        far = slope + way * step
    return way * math.inf


def _pairs(x: ArrayLike, y: ArrayLike, least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size < least or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(
            f"there are values of the shapes {a.shape} and {b.shape}",
            allowed=f"at least {least} pairs of numbers",
            advice="wait for more experiments",
        )
    return a, b
