from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError, nearest
from recloop.metrics.judged import Judged

Convention = Literal["recloop", "rectools", "lenskit", "trec"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
Direction = Literal["higher", "lower", "zero"]
Need = Literal["popularity", "vectors", "ratings"]


@dataclass(frozen=True)
class Metric(ABC):
    """A measure as a value: two equal metrics have the same name, and a name can be parsed back.

    ``value`` is one number over all slates; ``per_user`` has one number per slate, and its mean over the slates where
    it is defined is the value. That makes one way of computing intervals and tests for all metrics. Where a metric
    describes all slates together (coverage, Gini, RMSE), ``per_user`` holds its pseudo-values: the value plus the
    influence of the slate on it (jackknife for coverage, linearisation for the others; Efron & Tibshirani 1993, An
    Introduction to the Bootstrap, chapter 11).

    Class attributes:
        id: the name without cutoff and convention.
        title, formula, unit: for people. The formula is LaTeX.
        direction: which way is better: "higher", "lower", or nearest to "zero".
        aggregate: whether per_user holds pseudo-values.
        needs: what must be in ``Judged`` beyond slates, truth and histories.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    formula: ClassVar[str]
    unit: ClassVar[str]
    direction: ClassVar[Direction]
    aggregate: ClassVar[bool] = False
    needs: ClassVar[tuple[Need, ...]] = ()

    @property
    def name(self) -> str:
        """The printable name, such as ``ndcg@10``."""
        return self.id

    def __str__(self) -> str:
        return self.name

    @abstractmethod
    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) one number per slate; NaN where the metric is undefined."""

    def value(self, judged: Judged) -> float:
        """The mean over the slates where the metric is defined; NaN where it is defined nowhere."""
        values = self.per_user(judged)
        defined = values[~np.isnan(values)]
        return float(defined.mean()) if len(defined) else float("nan")

    def merit(self, value: float) -> float:
        """The value turned so that higher is better.

        >>> from recloop.metrics import RMSE, PopularityLift
        >>> RMSE().merit(0.9), PopularityLift(10).merit(-0.2)
        (-0.9, -0.2)
        """
        return {"higher": value, "lower": -value, "zero": -abs(value)}[self.direction]


@dataclass(frozen=True)
class AtK(Metric, ABC):
    """A metric of the first k places.

    Raises:
        SettingError: k is not a whole number of at least 1.
    """

    k: int

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or self.k < 1:
            raise SettingError(f"{self.id}: k is {self.k!r}", allowed="k must be a whole number of at least 1")

    @property
    def name(self) -> str:
        """The printable name, such as ``ndcg@10``."""
        return f"{self.id}@{self.k}"


@dataclass(frozen=True)
class Accuracy(AtK, ABC):
    """A metric of hits among the first k places, in the convention of this project or another's.

    >>> from recloop.metrics import NDCG
    >>> NDCG(10).name, NDCG(10, convention="rectools").name
    ('ndcg@10', 'ndcg@10[rectools]')

    Raises:
        SettingError: there is no such convention.
    """

    convention: Convention = "recloop"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.convention not in CONVENTIONS:
            raise SettingError(
                f"{self.id}: there is no convention {self.convention!r}",
                allowed=nearest(str(self.convention), CONVENTIONS),
            )

    @property
    def name(self) -> str:
        """The printable name; a foreign convention stands in brackets."""
        return super().name if self.convention == "recloop" else f"{super().name}[{self.convention}]"

    def per_user(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) one number per slate; NaN where nothing is relevant."""
        return np.where(judged.relevant > 0, self._of_hits(judged), np.nan)

    @abstractmethod
    def _of_hits(self, judged: Judged) -> NDArray[np.float64]:
        """(n,) the metric; rows where nothing is relevant may hold anything but raise no warning."""


def ratio(
    numerator: NDArray[np.float64], denominator: NDArray[np.floating] | NDArray[np.integer]
) -> NDArray[np.float64]:
    """Element by element, NaN where the denominator is 0."""
    result: NDArray[np.float64] = np.divide(
        numerator, denominator, out=np.full(len(numerator), np.nan), where=np.asarray(denominator) > 0
    )
    return result


def pooled(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) pseudo-values of sum(numerator) / sum(denominator): their mean is the ratio, their spread its error.

    First-order Taylor expansion of a ratio of means (the delta method). Rows of NaN stay out. All NaN where the
    denominators add to 0.

    >>> pooled(np.array([1.0, 3.0]), np.array([1.0, 1.0])).tolist()
    [1.0, 3.0]
    """
    present = ~np.isnan(numerator) & ~np.isnan(denominator)
    total = denominator[present].sum()
    if total <= 0:
        return np.full(len(numerator), np.nan)
    value = numerator[present].sum() / total
    result: NDArray[np.float64] = value + (numerator - value * denominator) * (present.sum() / total)
    return result
