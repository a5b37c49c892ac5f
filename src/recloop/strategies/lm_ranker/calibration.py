"""Scores that can be read as probabilities, and how far they can be trusted."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BINS = 15
ROUNDS = 50
FLAT = 1e-3  # slope where the scores tell nothing of clicks, or the contrary: the rate of clicks, in their order


@dataclass(frozen=True)
class Calibration:
    """p = sigmoid(slope x logit + shift), fitted on held-out lists.

    Platt 1999, "Probabilistic outputs for support vector machines", section 2.2; a temperature (Guo et al. 2017, "On
    calibration of modern neural networks", section 4.2) with a shift, because candidates that were drawn for training
    are clicked more often than those of a whole list. The order of the scores stays.

    Attributes:
        slope: above 0.
        shift: any.
        before: expected calibration error of sigmoid(logit).
        after: and of p, on other lists than those it was fitted on.
        rows: pairs that ``after`` was measured on.
    """

    slope: float = 1.0
    shift: float = 0.0
    before: float = float("nan")
    after: float = float("nan")
    rows: int = 0

    @classmethod
    def of(cls, logits: NDArray[np.floating], labels: NDArray[np.floating]) -> "Calibration":
        """Fitted on the even rows and judged on the odd ones, then fitted on all.

        Args:
            logits: (n, c), NaN where there is no candidate.
            labels: (n, c).
        """
        if len(logits) < 4 or not 0 < labels.sum() < labels.size:
            return cls()
        there = ~np.isnan(logits)
        (fit_told, fit_came), (told, came) = (
            (logits[part::2][there[part::2]], labels[part::2][there[part::2]]) for part in (0, 1)
        )
        slope, shift = _platt(fit_told, fit_came)
        before = expected_calibration_error(_sigmoid(told), came)
        after = expected_calibration_error(_sigmoid(slope * told + shift), came)
        return cls(*_platt(logits[there], labels[there]), before, after, len(told))

    def __str__(self) -> str:
        """One sentence.

        >>> str(Calibration(0.8, -1.5, before=0.12, after=0.031, rows=2117))
        'expected calibration error 0.120 → 0.031 on 2,117 held-out pairs'
        """
        if not self.rows:
            return "too few held-out lists to calibrate on; the scores are no probabilities"
        return f"expected calibration error {self.before:.3f} → {self.after:.3f} on {self.rows:,} held-out pairs"

    def __call__(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities in (0, 1)."""
        return _sigmoid(self.slope * logits.astype(np.float64) + self.shift)


def expected_calibration_error(
    probabilities: NDArray[np.floating], labels: NDArray[np.floating], bins: int = BINS
) -> float:
    """How far probabilities are from frequencies, on average: sum over bins of share x |mean p - frequency|.

    Bins hold equally many pairs (Nixon et al. 2019, "Measuring calibration in deep learning", section 3): clicks are
    rare, so that bins of equal width would put nearly all pairs into one.

    >>> expected_calibration_error(np.array([0.5, 0.5, 0.5, 0.5]), np.array([1, 0, 1, 0]), bins=1)
    0.0
    """
    order = np.argsort(probabilities, kind="stable")
    p, y = probabilities[order].astype(np.float64), labels[order].astype(np.float64)
    edges = np.linspace(0, len(p), bins + 1).astype(int)
    gaps = [abs(p[a:b].sum() - y[a:b].sum()) for a, b in pairwise(edges)]
    return float(sum(gaps) / max(1, len(p)))


def _platt(logits: NDArray[np.floating], labels: NDArray[np.floating]) -> tuple[float, float]:
    """Slope and shift of least cross-entropy by Newton's method; targets are drawn in as Platt does."""
    logits, clicks = logits.astype(np.float64), float(labels.sum())
    high, low = (clicks + 1) / (clicks + 2), 1 / (len(labels) - clicks + 2)
    y = np.where(labels > 0, high, low)
    X = np.stack([logits, np.ones_like(logits)], axis=1)
    at = np.array([1.0, 0.0])
    for _ in range(ROUNDS):
        p = _sigmoid(X @ at)
        H = (X * (p * (1 - p))[:, None]).T @ X + 1e-9 * np.eye(2)
        step = np.linalg.solve(H, X.T @ (p - y))
        at -= step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-8:
            break
    if at[0] > FLAT and np.isfinite(at).all():
        return float(at[0]), float(at[1])
    rate = (clicks + 1) / (len(labels) + 2)
    return FLAT, float(np.log(rate / (1 - rate)))


def _sigmoid(x: NDArray[np.floating]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
    return found
