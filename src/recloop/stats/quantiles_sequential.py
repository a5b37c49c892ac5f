"""Quantiles whose intervals hold at every look, for any distribution and from the first user on."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, xlog1py, xlogy

from recloop.errors import DataError, SettingError
from recloop.stats.effect import Effect, check_alpha
from recloop.stats.means import Mean
from recloop.stats.mixture import rho_square
from recloop.stats.moments import Values

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Ranks:
    """How improbable each rank is that the quantile may have among n values: a test martingale over beta mixtures.

    ``log[k]`` is the log of the martingale where k values lie below the quantile, k = 0 … n.
    """

    values: Floats  # sorted
    log: Floats

    @classmethod
    def of(cls, values: Values, q: float, weight: float) -> "_Ranks":
        ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
        if not ordered.size or not np.isfinite(ordered).all():
            bad = int((~np.isfinite(ordered)).sum())
            raise DataError(
                f"{bad} of {ordered.size} values are NaN or infinite", allowed="at least one value, all finite"
            )
        n, k = ordered.size, np.arange(ordered.size + 1, dtype=np.float64)
        a, b = weight * q, weight * (1 - q)
        log = betaln(a + k, b + n - k) - betaln(a, b) - xlogy(k, q) - xlog1py(n - k, -q)
        return cls(ordered, log)

    @property
    def below(self) -> Floats:
        """The value at or above which the quantile lies where k values are below it."""
        return np.concatenate([[-np.inf], self.values])

    @property
    def above(self) -> Floats:
        """The value at or below which the quantile lies where k values are below it."""
        return np.concatenate([self.values, [np.inf]])

    def within(self, limit: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The least and the largest rank whose martingale is at most each limit; least > largest where none is."""
        lowest = int(self.log.argmin())
        falling, rising = self.log[: lowest + 1], self.log[lowest:]
        least = lowest + 1 - np.searchsorted(falling[::-1], limit, side="right")
        largest = lowest - 1 + np.searchsorted(rising, limit, side="right")
        return least.astype(np.int64), largest.astype(np.int64)


def quantile_sequence(values: Values, q: float = 0.5, alpha: float = 0.05, *, planned: int) -> Mean:
    """A quantile with an interval that holds at every look at once; in the field ``mean`` is the quantile itself.

    Whatever the distribution, each user is below its q-quantile with chance q. So the number of users below is that of
    heads of a coin, and the interval holds the values at all ranks that a beta-binomial mixture does not reject. No
    moment need exist, ties may be many, and it is exact from the first user on.

    Args:
        values: one per user, all that came so far.
        q: which quantile, between 0 and 1.
        alpha: chance that the sequence ever leaves out the truth.
        planned: users at which the interval shall be narrowest; fixed before the start.

    Source: S. R. Howard, A. Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification", Bernoulli 28 (2022), theorem 1 and section 3 (the beta-binomial bound).

    Raises:
        DataError: there is no value, or one is NaN or infinite.
        SettingError: q, ``planned`` or ``alpha`` is out of range.

    >>> quantile_sequence(np.arange(1000.0), 0.5, planned=1000)
    Mean(mean=499.0, low=452.0, high=547.0, n=1000)
    """
    ranks = _Ranks.of(values, *_tuned(q, alpha, planned))
    least, largest = ranks.within(np.array([-math.log(alpha)]))
    return Mean(
        float(np.quantile(ranks.values, q, method="inverted_cdf")),
        float(ranks.below[least[0]]),
        float(ranks.above[largest[0]]),
        ranks.values.size,
    )


def quantile_difference_sequence(
    treatment: Values, control: Values, q: float = 0.5, alpha: float = 0.05, *, planned: int
) -> Effect:
    """Difference of a quantile between two arms, with an interval and a p-value that hold at every look at once.

    A pair of quantiles is rejected where the product of both arms' martingales exceeds one over alpha; the interval
    spans the differences of the pairs that remain. That is narrower than the difference of two intervals at half of
    alpha. The p-value is the smallest alpha at which zero is left out. The relative change is unbounded unless the
    control's quantile is above zero throughout.

    Args:
        treatment: one value per user of one arm.
        control: one value per user of the other.
        q: which quantile, between 0 and 1.
        alpha: chance that the sequence ever leaves out the truth.
        planned: users of both arms at which the interval shall be narrowest; fixed before the start.

    Source: S. R. Howard, A. Ramdas, Bernoulli 28 (2022), section 5 (A/B tests of quantiles).

    Raises:
        DataError: an arm has no value, or one that is NaN or infinite.
        SettingError: q, ``planned`` or ``alpha`` is out of range.

    >>> e = quantile_difference_sequence(np.arange(100.0, 1100.0), np.arange(1000.0), planned=2000)
    >>> e.estimate, e.low, e.high, round(e.p_value, 4)
    (100.0, 23.0, 177.0, 0.0015)
    """
    q, weight = _tuned(q, alpha, planned)
    t, c = (_Ranks.of(values, q, weight / 2) for values in (treatment, control))
    least, largest = c.within(-math.log(alpha) - t.log)
    kept = np.flatnonzero(least <= largest)
    bottom, top, c_bottom, c_top = t.below[kept], t.above[kept], c.below[least[kept]], c.above[largest[kept]]
    value, base = (float(np.quantile(arm.values, q, method="inverted_cdf")) for arm in (t, c))
    relative, relative_low, relative_high = math.nan, -math.inf, math.inf
    if c_bottom.min() > 0:
        relative = value / base - 1
        relative_low = float((bottom / np.where(bottom > 0, c_top, c_bottom)).min() - 1)
        relative_high = float((top / np.where(top > 0, c_bottom, c_top)).max() - 1)
    return Effect(
        estimate=value - base,
        low=float((bottom - c_top).min()),
        high=float((top - c_bottom).max()),
        p_value=_equal(t, c),
        relative=relative,
        relative_low=relative_low,
        relative_high=relative_high,
        treatment=value,
        control=base,
        alpha=alpha,
        method="quantiles, always valid",
    )


def _tuned(q: float, alpha: float, planned: int) -> tuple[float, float]:
    """The quantile and the weight of the beta prior: the mixture that is narrowest at the planned users."""
    check_alpha(alpha)
    if not 0 < q < 1:
        raise SettingError(f"q is {q}", allowed="a quantile between 0 and 1", advice="use 0.5")
    return q, 1 / rho_square(planned, alpha)


def _equal(t: _Ranks, c: _Ranks) -> float:
    """One over the least product of martingales at which both arms may have the same quantile."""
    places = np.unique(np.concatenate([t.values, c.values]))
    least = sum(_least_at(arm, places) for arm in (t, c))
    return math.exp(min(-float(np.min(least)), 0.0))


def _least_at(arm: _Ranks, places: Floats) -> Floats:
    """The least log martingale of an arm whose quantile lies at each of the places."""
    lowest = int(arm.log.argmin())
    first, last = (np.searchsorted(arm.values, places, side=side) for side in ("left", "right"))
    found: Floats = arm.log[np.clip(lowest, first, last)]
    return found
