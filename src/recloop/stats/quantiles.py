import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from recloop.errors import DataError, SettingError
from recloop.stats.effect import Effect, check_alpha, difference
from recloop.stats.estimate import Estimate
from recloop.stats.moments import Moments, Values

Rows: TypeAlias = tuple[Values | NDArray[np.integer], Values]


def quantile_difference(treatment: Rows, control: Rows, q: float = 0.5, alpha: float = 0.05) -> Effect:
    """Difference of a quantile of rows, such as the 95th percentile of answer times, where users have many rows.

    The rows of one user are alike, so that n rows know less than n users would. See ``quantile``, which makes each
    arm's value and variance; the arms are independent.

    Args:
        treatment: (users, values) of the rows of one arm: a number or id of the user, and what was seen. The users of
            the arms need not be numbered apart.
        control: those of the other.
        q: which quantile; 0.5 is the median.
        alpha: one minus the coverage.

    Raises:
        DataError: see ``quantile``.
        SettingError: q or ``alpha`` does not lie between 0 and 1.

    >>> rng = np.random.default_rng(0)
    >>> users = np.arange(1000) // 5
    >>> t, c = (rng.lognormal(rng.normal(shift, 0.3, 200)[users], 0.5) for shift in (0.2, 0.0))
    >>> e = quantile_difference((users, t), (users, c), 0.9)
    >>> round(e.estimate, 2), round(e.low, 2), round(e.high, 2)
    (0.27, 0.0, 0.53)
    """
    arms = [quantile(values, q, users, alpha) for users, values in (treatment, control)]
    return difference(arms[0], arms[1], alpha, math.inf, "quantiles, outer interval")


def quantile(
    values: Values, q: float = 0.5, users: Values | NDArray[np.integer] | None = None, alpha: float = 0.05
) -> Estimate:
    """A quantile of rows with its variance, by the outer interval.

    The share of rows at or below the quantile is a ratio of two sums over users, and the delta method gives its
    standard error s, whatever the rows of a user have in common. The values at the shares q - z s and q + z s hold the
    quantile with the wanted confidence; half of their distance over z is its standard error. So the density, which the
    variance of a quantile is divided by, is read off the data where it matters, without a bandwidth to choose.

    Args:
        values: one per row.
        q: which quantile.
        users: the user of each row; without it each row is a user.
        alpha: sets how far apart the two values are taken; that of the interval to be made.

    Returns:
        The estimate, whose n is the number of users.

    Source: A. Deng, U. Knoblich, J. Lu, "Applying the delta method in metric analytics: a practical guide with novel
    ideas", KDD 2018, section 4.

    Raises:
        DataError: fewer than two users, values that are NaN or infinite, too few of them beyond the quantile, or so
            many equal ones at it that it does not move.
        SettingError: q or ``alpha`` does not lie between 0 and 1.

    >>> e = quantile(np.random.default_rng(0).normal(size=100_000))
    >>> round(e.variance * 100_000, 1)  # near pi / 2, as for the median of normal values
    1.5
    """
    check_alpha(alpha)
    if not 0 < q < 1:
        raise SettingError(
            f"the quantile is {q}", allowed="it lies between 0 and 1", advice="0.95 for the 95th percentile"
        )
    column = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(column).all():
        bad = int((~np.isfinite(column)).sum())
        raise DataError(f"{bad} of {column.size} values are NaN or infinite", advice="leave them out, and say so")
    if column.size < 2:
        raise DataError(f"{column.size} values are too few", allowed="a quantile's interval needs some dozens")
    value = float(np.quantile(column, q))
    share = _share_below(column, value, users).estimate()
    z = -float(ndtri(alpha / 2))
    reach = z * math.sqrt(share.variance)
    if q - reach <= 0 or q + reach >= 1:
        raise DataError(
            f"{column.size} values of {share.n} users say too little of the {q:.4g} quantile",
            allowed=f"its interval reaches from {q - reach:.3f} to {q + reach:.3f}, and must stay between 0 and 1",
            advice="wait for more users, or take a quantile nearer to the middle",
        )
    low, high = np.quantile(column, [q - reach, q + reach])
    if not high > low:
        ties = float((column == value).mean())
        raise DataError(
            f"{ties:.1%} of the values equal the {q:.4g} quantile, {value:.6g}, so that it does not move",
            advice="compare the share of values above it: stats.ratio over users",
        )
    return Estimate(value, (float(high - low) / (2 * z)) ** 2, share.n)


def _share_below(column: NDArray[np.float64], value: float, users: Values | NDArray[np.integer] | None) -> Moments:
    """Rows at or below the value over all rows, per user."""
    below = column <= value
    if users is None:
        return Moments.of_share(int(below.sum()), below.size)
    whose = np.asarray(users).ravel()
    if whose.size != column.size:
        raise DataError(f"{whose.size} users and {column.size} values", allowed="one of each per row")
    _, place = np.unique(whose, return_inverse=True)
    return Moments.of(np.bincount(place, below), np.bincount(place).astype(np.float64))
