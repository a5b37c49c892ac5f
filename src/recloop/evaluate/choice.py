"""Which point of a front to take: where a little more of one costs much of another, or nearest to the ideal."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError

EVEN = 1e-12


def knee(merits: NDArray[np.float64]) -> int:
    """The point that bulges farthest out of the plane through the ends of a front.

    Each axis is brought to [0, 1] over the points, and the sum of all taken: its level sets are parallel to the plane
    through the ends. Das 1999, "On characterizing the knee of the Pareto curve based on normal-boundary intersection";
    Branke et al. 2004, "Finding knees in multi-objective optimization". Ties go to the first.

    Args:
        merits: (s, d) of a front, higher is better.

    Raises:
        SettingError: there is no point.

    >>> knee(np.array([[0.0, 10.0], [9.0, 9.0], [10.0, 0.0]]))
    1
    """
    return int(_unit(merits).sum(axis=1).argmax())


def topsis(merits: NDArray[np.float64], weights: Sequence[float] | None = None) -> NDArray[np.float64]:
    """(s,) how near each point is to the best and how far from the worst, 0 to 1: the greatest is taken.

    Hwang & Yoon 1981, "Multiple attribute decision making": columns are divided by their Euclidean length and weighed;
    closeness is d⁻ / (d⁺ + d⁻) with the distances to the ideal and the anti-ideal point.

    Args:
        merits: (s, d), higher is better.
        weights: d of them, >= 0; equal where None.

    Raises:
        SettingError: there is no point, or the weights do not fit.

    >>> topsis(np.array([[3.0, 0.0], [0.0, 4.0], [3.0, 4.0]])).round(3).tolist()
    [0.5, 0.5, 1.0]
    """
    points = _checked(merits)
    share = np.ones(points.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != points.shape[1:] or not (share >= 0).all() or share.sum() <= 0:
        raise SettingError(
            f"the weights are {share.tolist()}",
            allowed=f"{points.shape[1]} numbers of at least 0 are wanted, one above 0",
        )
    length = np.sqrt((points**2).sum(axis=0))
    scaled = points / np.where(length > 0, length, 1.0) * (share / share.sum())
    to_best = np.sqrt(((scaled - scaled.max(axis=0)) ** 2).sum(axis=1))
    to_worst = np.sqrt(((scaled - scaled.min(axis=0)) ** 2).sum(axis=1))
    whole = to_best + to_worst
    closeness: NDArray[np.float64] = np.where(whole > EVEN, to_worst / np.where(whole > EVEN, whole, 1.0), 1.0)
    return closeness


@dataclass(frozen=True, slots=True)
class Guardrail:
    """What a point must keep: ``ndcg@10>=0.98x`` (98% of the baseline's) or ``coverage@10>=0.2``.

    Attributes:
        metric: its name.
        bound: the number.
        least: whether it must be at least the bound; else at most.
        relative: whether the bound is a multiple of the baseline's value.
    """

    metric: str
    bound: float
    least: bool = True
    relative: bool = False

    @classmethod
    def parse(cls, words: str) -> "Guardrail":
        """The guardrail in a short text.

        Raises:
            SettingError: it is none.

        >>> Guardrail.parse("ndcg@10>=98%")
        Guardrail(metric='ndcg@10', bound=0.98, least=True, relative=True)
        >>> Guardrail.parse("gini@10 <= 0.8").least
        False
        """
        found = re.fullmatch(r"\s*([\w@:.-]+)\s*(>=|<=)\s*(-?\d+(?:\.\d+)?)\s*(%|x?)\s*", words)
        if not found:
            raise SettingError(
                f"'{words}' is no guardrail",
                allowed="it is a metric, >= or <=, and a number",
                advice="ndcg@10>=98% (of the baseline's), coverage@10>=0.2",
            )
        number = float(found[3]) / (100.0 if found[4] == "%" else 1.0)
        return cls(found[1], number, found[2] == ">=", bool(found[4]))

    def keeps(self, values: Mapping[str, float], baseline: Mapping[str, float]) -> bool:
        """Whether a point's values keep it; a value that is not known does not."""
        return self.short(values, baseline) <= EVEN

    def short(self, values: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """By how much a point misses it, as a share of the bound; 0 where it keeps it, infinite where nothing is known.

        >>> Guardrail.parse("ndcg@10>=50%").short({"ndcg@10": 0.375}, {"ndcg@10": 1.0})
        0.25
        """
        if self.metric not in values or (self.relative and self.metric not in baseline):
            return float("inf")
        bound = self.bound * (baseline[self.metric] if self.relative else 1.0)
        missing = bound - values[self.metric] if self.least else values[self.metric] - bound
        return max(0.0, missing) / (abs(bound) or 1.0)

    def __str__(self) -> str:
        bound = f"{100 * self.bound:.4g}% of the baseline's" if self.relative else f"{self.bound:.4g}"
        return f"{self.metric} {'at least' if self.least else 'at most'} {bound}"


def _checked(merits: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.asarray(merits, dtype=np.float64)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise SettingError("there is no point to choose from", allowed="a front has rows of finite numbers")
    return points


def _unit(merits: NDArray[np.float64]) -> NDArray[np.float64]:
    points = _checked(merits)
    low, high = points.min(axis=0), points.max(axis=0)
    unit: NDArray[np.float64] = (points - low) / np.where(high > low, high - low, 1.0)
    return unit
