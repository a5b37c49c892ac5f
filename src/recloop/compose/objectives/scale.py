"""Objectives on one scale: learned from data, so that a weight of 1 means the same on every data set."""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

POINTS = 101  # of the empirical distribution that is kept
TAILS = 0.01  # beyond these quantiles values are cut: one absurd price must not set the scale


@dataclass(frozen=True, eq=False)
class Scale:
    """How values of one objective become comparable.

    Attributes:
        kind: ``robust``: (x - centre) / spread, cut at the 1% and 99% quantiles. ``quantile``: the place of x among
            all values, from 0 to 1, less 1/2.
        quantiles: (101,) of all values, ascending.
        centre: the mean of the values between the tails.
        spread: the root mean square over requests of the standard deviation among a request's candidates: only what
            differs within a request moves its slate.

    >>> scale = Scale.of(np.array([[1.0, 3.0], [2.0, 4.0]]), "robust")
    >>> scale(np.array([2.5, 3.5, np.nan])).round(2).tolist()
    [0.0, 1.0, 0.0]
    """

    kind: Literal["robust", "quantile"]
    quantiles: NDArray[np.float64]
    centre: float
    spread: float

    @classmethod
    def of(cls, values: NDArray[np.float64], kind: Literal["robust", "quantile"]) -> Self:
        """The scale of values (n, m): a row for each request, NaN where there is no candidate or nothing is known."""
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(kind, np.zeros(POINTS), 0.0, 1.0)
        quantiles = np.quantile(known, np.linspace(0, 1, POINTS))
        low, high = np.quantile(known, [TAILS, 1 - TAILS]) if len(known) >= 10 / TAILS else (known.min(), known.max())
        if low == high:  # so rare that the tails cut it off: an exposure of new items
            low, high = known.min(), known.max()
        cut = np.clip(np.where(np.isfinite(values), values, np.nan), low, high)
        count = np.isfinite(cut).sum(axis=1)
        mean = np.nansum(cut, axis=1) / np.maximum(count, 1)
        squares = np.nansum((cut - mean[:, None]) ** 2, axis=1) / np.maximum(count, 1)
        spread = float(np.sqrt(squares[count > 1].mean())) if (count > 1).any() else 0.0
        return cls(kind, quantiles, float(np.nanmean(cut)), spread if spread > 0 else 1.0)

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values on the common scale; what is unknown (NaN) is neither a merit nor a fault: 0."""
        if self.kind == "quantile":
            # a value that many share stands in the middle of them
            places = np.linspace(0, 1, POINTS)
            below = np.interp(values, self.quantiles, places)
            tied = self.quantiles[1:] == self.quantiles[:-1]
            if tied.any():
                left = np.searchsorted(self.quantiles, values, "left")
                right = np.searchsorted(self.quantiles, values, "right")
                middle = (left + right - 1) / 2 / (POINTS - 1)
                below = np.where(right - left > 1, middle, below)
            scaled = below - 0.5
        else:
            cut = np.clip(values, *self._ends())
            scaled = (cut - self.centre) / self.spread
        return np.where(np.isfinite(values), scaled, 0.0)

    def _ends(self) -> tuple[float, float]:
        at = round(TAILS * (POINTS - 1))
        low, high = float(self.quantiles[at]), float(self.quantiles[-1 - at])
        return (low, high) if low < high else (float(self.quantiles[0]), float(self.quantiles[-1]))

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "kind": self.kind,
            "quantiles": self.quantiles.tolist(),
            "centre": self.centre,
            "spread": self.spread,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What ``to_dict`` gave."""
        return cls(plain["kind"], np.array(plain["quantiles"], np.float64), plain["centre"], plain["spread"])
