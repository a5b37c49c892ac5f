"""Probabilities that mean what they say: fitted on held-out requests, judged on others, with a picture."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import expit, logit

from recloop.charts import Series, lines
from recloop.stats.auc import auc
from recloop.strategies.lm_ranker.calibration import Calibration, expected_calibration_error

ENOUGH = 1000  # positives and negatives each, above which a free monotone curve beats a sigmoid
BINS = 10
LEAST = 1e-6  # no event is called impossible or certain
KNOTS = 200


class Reliable(NamedTuple):
    """One bin of a reliability diagram: what was foretold, what came, and how many."""

    foretold: float
    came: float
    rows: int


@dataclass(frozen=True, eq=False)
class Curve:
    """Raw probability → probability, monotone.

    Isotonic regression (Zadrozny & Elkan 2002) through the centres of its blocks (Oron & Flournoy 2017, "Centered
    isotonic regression"), so that what differed before still does; Platt's sigmoid on the log-odds where there are
    fewer than 1,000 of either kind (Niculescu-Mizil & Caruana 2005: isotonic curves overfit there).

    Attributes:
        kind: "isotonic" or "platt".
        x, y: of isotonic curves, the knots, ascending.
        slope, shift: of Platt's.

    >>> raw = np.array([0.1, 0.2, 0.8, 0.9] * 500)
    >>> curve = Curve.of(raw, np.array([0, 0, 1, 1] * 500))
    >>> curve.kind, bool(curve(np.array([0.15]))[0] < 0.01)
    ('isotonic', True)
    """

    kind: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    slope: float = 1.0
    shift: float = 0.0

    @classmethod
    def of(cls, raw: NDArray[np.floating], came: NDArray[np.floating] | NDArray[np.bool_]) -> Self:
        """The curve of least squared error (isotonic) or cross-entropy (Platt).

        Args:
            raw: (n,) in [0, 1].
            came: (n,) 0 or 1.
        """
        y = np.asarray(came, dtype=np.float64)
        if min(y.sum(), len(y) - y.sum()) < ENOUGH:
            odds = logit(np.clip(raw, LEAST, 1 - LEAST))
            # Calibration fits on the even rows and judges on the odd ones, then fits on all
            half = len(odds) // 4 * 4
            shape = (max(half // 2, 1), 2)
            fitted = Calibration.of(odds[:half].reshape(shape), y[:half].reshape(shape)) if half else Calibration()
            return cls("platt", np.empty(0), np.empty(0), fitted.slope, fitted.shift)
        order = np.argsort(raw, kind="stable")
        found = scipy.optimize.isotonic_regression(y[order])
        starts = np.asarray(found.blocks[:-1])
        sizes = np.diff(found.blocks)
        centres = np.add.reduceat(np.asarray(raw, np.float64)[order], starts) / sizes
        heights = np.asarray(found.x)[starts]
        keep = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), KNOTS)).astype(int))
        x, first = np.unique(centres[keep], return_index=True)
        return cls("isotonic", x, heights[keep][first])

    def __call__(self, raw: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities in (0, 1); NaN stays NaN."""
        if self.kind == "platt":
            moved = expit(self.slope * logit(np.clip(raw, LEAST, 1 - LEAST)) + self.shift)
        else:
            moved = np.interp(raw, self.x, self.y)
        clipped: NDArray[np.float64] = np.clip(moved, LEAST, 1 - LEAST)
        return np.where(np.isnan(raw), np.nan, clipped)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"kind": self.kind, "x": self.x.tolist(), "y": self.y.tolist(), "slope": self.slope, "shift": self.shift}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What ``to_dict`` gave."""
        return cls(plain["kind"], np.array(plain["x"]), np.array(plain["y"]), plain["slope"], plain["shift"])


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities can be trusted, on requests that neither the model nor the curve has seen.

    Attributes:
        before: expected calibration error of the raw probabilities, bins of equal counts.
        after: of the calibrated ones.
        bins: of the calibrated ones.
        rows: candidates judged.
        rate: the share that came true.
        auc: the chance that one that came true is foretold higher than one that did not (Hanley & McNeil 1982).
    """

    before: float
    after: float
    bins: tuple[Reliable, ...]
    rows: int
    rate: float
    auc: float

    @classmethod
    def of(
        cls, raw: NDArray[np.floating], told: NDArray[np.floating], came: NDArray[np.floating] | NDArray[np.bool_]
    ) -> Self:
        """Judge raw and calibrated probabilities (n,) by what came (n,)."""
        y = np.asarray(came, dtype=np.float64)
        order = np.argsort(told, kind="stable")
        edges = np.linspace(0, len(told), min(BINS, max(1, len(told))) + 1).astype(int)
        bins = tuple(
            Reliable(float(told[order[a:b]].mean()), float(y[order[a:b]].mean()), int(b - a))
            for a, b in pairwise(edges)
            if b > a
        )
        before = expected_calibration_error(raw, y, BINS)
        after = expected_calibration_error(told, y, BINS)
        return cls(
            before, after, bins, len(y), float(y.mean()) if len(y) else float("nan"), auc(told[y > 0], told[y == 0])
        )

    def picture(self, title: str) -> str:
        """A reliability diagram as SVG: what came over what was foretold; the diagonal is perfect."""
        x, y = [b.foretold for b in self.bins], [b.came for b in self.bins]
        top = max([*x, *y, 1e-9])
        return lines(
            [
                Series(f"calibration error {self.after:.4f}, before {self.before:.4f}", x, y),
                Series("perfect", [0.0, top], [0.0, top], tone="quiet"),
            ],
            title,
            x_label="foretold",
            y_label="came true",
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "before": self.before,
            "after": self.after,
            "bins": [list(entry) for entry in self.bins],
            "rows": self.rows,
            "rate": self.rate,
            "auc": None if np.isnan(self.auc) else self.auc,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What ``to_dict`` gave."""
        auc = float("nan") if plain["auc"] is None else plain["auc"]
        return cls(**{**plain, "auc": auc, "bins": tuple(Reliable(*entry) for entry in plain["bins"])})
