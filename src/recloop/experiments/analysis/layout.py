"""Which numbers per user a plan reads, and which of them go together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

from recloop.experiments.analysis.metric_plan import EventSum, MetricPlan
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.quantity import FromColumn, FromEvents, Number


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the sums, made of a number per user.

    Attributes:
        name: in the sums.
        number: what it is made of.
        role: the number as it is, capped, or 1 where it is missing.
        cap: quantile at which it is capped.
    """

    name: str
    number: Number
    role: str = "plain"
    cap: float = 1.0


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """The columns of one metric: numerator, denominator, numerator before capping, covariates."""

    y: Column
    x: Column | None
    raw: Column | None
    covariates: tuple[Column, ...]

    @property
    def all(self) -> tuple[Column, ...]:
        """All of them, the metric's first."""
        return tuple(one for one in (self.y, self.x, self.raw) if one) + self.covariates


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of every metric of a plan.

    Attributes:
        metrics: id → its columns.
        incomplete: covariates that some users lack; each gets a column that says for whom.
    """

    metrics: Mapping[str, MetricColumns]
    incomplete: frozenset[Number] = field(default=frozenset())

    @classmethod
    def of(cls, plan: AnalysisPlan, incomplete: Iterable[Number] = ()) -> "Layout":
        """The layout that a plan asks for."""
        gaps = frozenset(incomplete)
        return cls({id_: _columns(id_, metric, gaps) for id_, metric in plan.defined.items()}, gaps)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column once."""
        return tuple(dict.fromkeys(column for metric in self.metrics.values() for column in metric.all))

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Every number per user once."""
        return tuple(dict.fromkeys(column.number for column in self.columns))

    @property
    def outcomes(self) -> frozenset[Number]:
        """The numbers that are metrics, not covariates."""
        return frozenset(
            column.number
            for metric in self.metrics.values()
            for column in metric.all[: -len(metric.covariates) or None]
        )

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The products that are needed: of columns of one metric."""
        place = {column: row for row, column in enumerate(self.columns)}
        found = {
            (min(place[a], place[b]), max(place[a], place[b]))
            for metric in self.metrics.values()
            for a, b in combinations_with_replacement(metric.all, 2)
        }
        return tuple(sorted(found))


def _columns(id_: str, metric: MetricPlan, gaps: frozenset[Number]) -> MetricColumns:
    numerator = _number(metric.numerator or id_)
    y = Column(numerator.name, numerator)
    raw = None
    if metric.winsorise < 1:
        raw, y = y, Column(f"{numerator.name}, capped at {metric.winsorise:g}", numerator, "capped", metric.winsorise)
    x = None
    if metric.denominator is not None:
        denominator = _number(metric.denominator)
        x = Column(denominator.name, denominator)
    return MetricColumns(y, x, raw, tuple(_covariates(metric, (numerator, x.number if x else None), gaps)))


def _covariates(metric: MetricPlan, own: tuple[Number | None, ...], gaps: frozenset[Number]) -> Iterator[Column]:
    numbers: list[Number] = [FromColumn(name) for name in metric.covariates]
    if metric.before_days:
        numbers += [FromEvents(one.sum, metric.before_days) for one in own if isinstance(one, FromEvents)]
    for number in numbers:
        yield Column(number.name, number)
        if number in gaps:
            yield Column(f"{number.name}, missing", number, "missing")


def _number(quantity: str | EventSum) -> Number:
    return FromColumn(quantity) if isinstance(quantity, str) else FromEvents(quantity)
