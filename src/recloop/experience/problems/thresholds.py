"""Which p-values count: the false discovery rate over all slices and metrics, with more for what could be found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from recloop.experience.problems.coded import Floats

EFFECTS = (0.1, 0.2, 0.4)  # relative changes that are looked for
EVEN = 0.25  # part of each depth's error that all its tests share alike


@dataclass(frozen=True, slots=True)
class Family:
    """The tests of one metric: of the whole, and of every slice.

    Attributes:
        logs: of p-values.
        depths: dimensions of the slice.
        details: standard error with which a change could be told, see ``scan.detail``.
    """

    logs: Floats
    depths: NDArray[np.int64]
    details: Floats


class Thresholds:
    """When a p-value counts, over all slices and metrics.

    Benjamini and Hochberg's false discovery rate, weighted (C. Genovese, K. Roeder, L. Wasserman, "False discovery
    control with p-value weighting", Biometrika 93 (2006)). Each depth has the same part of the error, so that the many
    slices of three dimensions do not hide a change of one. A quarter of it is for all tests of the depth alike; the
    rest goes where it helps: hardly to slices so small that no change of ``EFFECTS`` could be told from chance, nor to
    those so large that it is seen anyhow. With xi the expected effect in standard errors the best weight is in
    proportion to ``Phi(-xi/2 - c/xi)``, where c spends the error (K. Roeder, L. Wasserman, "Genome-wide significance
    levels and weighted hypothesis testing", Statistical Science 24 (2009), section 4). The weights hang on how many
    slates there are, not on what happened on them, so the error rate stays what it is.

    It is used twice: once over all slices, for what is worth explaining, and once over what explains. A problem drags
    hundreds of overlapping slices along; counted as findings each would allow for false ones elsewhere, so in the
    second round it counts once.

    Args:
        families: of all metrics.
        alpha: accepted share of false findings.
        depth: most dimensions of a slice.
    """

    def __init__(self, families: Sequence[Family], alpha: float, depth: int) -> None:
        logs = np.concatenate([np.zeros(0), *(one.logs for one in families)])
        depths = np.concatenate([np.zeros(0, np.int64), *(one.depths for one in families)]).astype(np.int64)
        details = np.concatenate([np.zeros(0), *(one.details for one in families)])
        sizes = np.bincount(depths, minlength=depth + 1).astype(np.float64)
        used = max(int((sizes > 0).sum()), 1)
        self.tests = logs.size
        self._alpha = alpha
        self._even = np.divide(logs.size / used, sizes, out=np.ones(depth + 1), where=sizes > 0)
        # the wholes are few, and their days' own movement decides what can be told: they share alike
        self._spent = [None, *(_Spent.of(details[depths == d], alpha / used) for d in range(1, depth + 1))]
        self._first = self._bar(logs - self._weights(depths, details))

    def cut(self, depth: int, detail: float) -> float:
        """The log p-value from which a test is worth explaining."""
        return self._first + float(self._weights(np.array([depth]), np.array([detail]))[0])

    def final(self, tests: Sequence[tuple[float, int, float]]) -> NDArray[np.bool_]:
        """Which of the explaining slices are findings, by their log p-value, depth and detail."""
        if not tests:
            return np.zeros(0, bool)
        logs, depths, details = (np.array(one) for one in zip(*tests, strict=True))
        weighted = logs - self._weights(depths.astype(np.int64), details)
        return np.asarray(weighted <= self._bar(weighted))

    def _bar(self, weighted: Floats) -> float:
        levels = np.log(self._alpha * np.arange(1, weighted.size + 1) / max(self.tests, 1))
        passed = np.flatnonzero(np.sort(weighted) <= levels)
        return float(levels[passed[-1]] if passed.size else levels[0] if levels.size else -np.inf)

    def _weights(self, depths: NDArray[np.int64], details: Floats) -> Floats:
        """Log of how much more than the average each test is given."""
        shares = np.ones(depths.size)
        for depth, spent in enumerate(self._spent):
            if spent is not None:
                mine = depths == depth
                shares[mine] = EVEN + (1 - EVEN) * spent.shares(details[mine])
        return np.asarray(np.log(self._even[depths] * shares))


@dataclass(frozen=True, slots=True)
class _Spent:
    """How the error of one depth is spent.

    Attributes:
        bar: c of the weights.
        mean: of the weights, before they are divided by it.
    """

    bar: float
    mean: float

    @classmethod
    def of(cls, details: Floats, alpha: float) -> "_Spent | None":
        """That spends ``alpha`` over the tests; None where there is none."""
        if not details.size:
            return None
        low, high = 1e-6, 1e3
        for _ in range(60):
            middle = (low * high) ** 0.5
            low, high = (middle, high) if _helpful(details, middle).sum() > alpha else (low, middle)
        mean = float(_helpful(details, high).mean())
        return cls(high, mean) if mean > 0 else None

    def shares(self, details: Floats) -> Floats:
        """What each test is given, 1 on average."""
        return _helpful(details, self.bar) / self.mean


def _helpful(details: Floats, bar: float) -> Floats:
    effects = np.array(EFFECTS) / np.maximum(details, 1e-12)[:, None]
    xi = np.where(np.isfinite(effects) & (effects > 1e-9), effects, 1e-9)
    return np.asarray(ndtr(-xi / 2 - bar / xi).mean(axis=1))
