from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.stats.effect import Effect

SEQUENTIAL = frozenset(
    {"always valid", "confidence sequence", "mSPRT", "quantiles, always valid", "group sequential"}
)  # methods whose intervals hold at every look at once


@dataclass(frozen=True, slots=True)
class Intersection:
    """What the looks so far have left of the effect, one entry per look.

    Where nothing is left the interval is (nan, nan) from there on, and ``empty`` is the first such look (else None).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    relative_low: tuple[float, ...]
    relative_high: tuple[float, ...]
    p_value: tuple[float, ...]
    empty: int | None
    alpha: float

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        looks = len(self.low)
        if self.empty is None:
            return f"The intervals of {looks:,} looks have values in common."
        return (
            f"No value lies in all intervals up to look {self.empty + 1:,} of {looks:,}. That happens in at most "
            f"{self.alpha:.1%} of experiments whose effect is steady; more likely it changed over time (novelty, "
            "season, another release). Read each period by itself."
        )


def running_intersection(looks: Sequence[Effect]) -> Intersection:
    """Narrow each interval by all those before it, for intervals that hold at every look at once.

    Since a confidence sequence covers the truth at all looks together, so does the intersection: it never grows, and
    its error is the same. The p-values become their running minimum. Intervals for one look may not be intersected.

    Args:
        looks: effects of the same comparison in the order of time, from ``always_valid``, ``confidence_sequence``,
            ``msprt``, ``quantile_difference_sequence`` or ``GroupSequential.effect``, with one alpha.

    Source: D. A. Darling, H. Robbins, "Confidence sequences for mean, variance, and median", PNAS 58 (1967).

    Raises:
        DataError: the looks differ in alpha or method, or are made for one look only.

    >>> from recloop.stats import Moments, always_valid
    >>> parts = [Moments.from_summary(n, mean, 0.25) for n, mean in ((200, 0.5), (400, 0.62), (400, 0.5))]
    >>> looks = [always_valid(part, Moments.from_summary(part.n, 0.5, 0.25), planned=800) for part in parts]
    >>> found = running_intersection(looks)
    >>> [round(low, 3) for low in found.low]
    [-0.153, 0.029, 0.029]
    """
    rules = {(look.alpha, look.method) for look in looks}
    if len(rules) > 1:
        named = ", ".join(f"{method} at {alpha}" for alpha, method in sorted(rules))
        raise DataError(f"the looks follow different rules: {named}", allowed="one rule and one alpha for all looks")
    if not looks:
        return Intersection((), (), (), (), (), None, float("nan"))
    if looks[0].method not in SEQUENTIAL:
        raise DataError(
            f"intervals by '{looks[0].method}' hold at one look",
            allowed="intervals that hold at every look at once",
            advice="use stats.always_valid",
        )
    ends = np.array([(e.low, e.high, e.relative_low, e.relative_high, e.p_value) for e in looks]).T
    low, high = _narrow(ends[0], ends[1])
    relative_low, relative_high = _narrow(ends[2], ends[3])
    nothing = np.isnan(low) | np.isnan(relative_low)
    return Intersection(
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        relative_low=tuple(relative_low.tolist()),
        relative_high=tuple(relative_high.tolist()),
        p_value=tuple(np.minimum.accumulate(ends[4]).tolist()),
        empty=int(nothing.argmax()) if nothing.any() else None,
        alpha=looks[0].alpha,
    )


def _narrow(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.maximum.accumulate(low), np.minimum.accumulate(high)
    left = low <= high
    return np.where(left, low, np.nan), np.where(left, high, np.nan)
