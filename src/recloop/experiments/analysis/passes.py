"""One query: counts, sums and sums of products of every column, by cell."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.experiments.analysis.layout import Column, Layout
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.quantity import Number
from recloop.experiments.analysis.source import Row, Source, literal
from recloop.experiments.analysis.units import Units

MOST_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class Pass:
    """How one pass is made."""

    layout: Layout
    centre: tuple[float, ...]
    caps: Mapping[str, float]
    filled: frozenset[Number] = frozenset()  # numbers whose gaps count as zero
    finite: bool = False  # whether users with an infinite number are left out

    def value(self, column: Column) -> str:
        """A column of the sums as SQL over the numbers per user."""
        value = f"q{self.layout.numbers.index(column.number)}"
        if column.role == "missing":
            value = f"CASE WHEN {value} IS NULL THEN {literal(1)} ELSE {literal(0)} END"
        elif column.number in self.filled:
            value = f"COALESCE({value}, {literal(0)})"
        if column.role == "capped":
            cap = literal(self.caps[column.name])
            value = f"CASE WHEN {value} > {cap} THEN {cap} ELSE {value} END"
        return value


@dataclass(slots=True)
class Answer:
    """The rows of one pass, as arrays by cell."""

    keys: list[Row]
    n: NDArray[np.int64]
    counts: NDArray[np.float64]
    lowest: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]


def ask(source: Source, plan: AnalysisPlan, units: Units, way: Pass) -> Answer:
    """Make a pass.

    Raises:
        DataError: the engine cannot compute it, or there are more than a million cells.
    """
    numbers, columns, pairs = way.layout.numbers, way.layout.columns, way.layout.pairs
    wary = [place for place, number in enumerate(numbers) if number in _wary(plan, way.layout)]
    inner = [*units.keys, *(f"q{i}" for i in range(len(numbers)))]
    inner += [f"{_centred(column, way)} AS e{j}" for j, column in enumerate(columns)]
    outer = [*units.keys, "COUNT(*) AS n"]
    outer += [f"COUNT(q{i}) AS k{i}" for i in range(len(numbers))]
    outer += [f"MIN(q{i}) AS m{i}" for i in wary]
    outer += [f"SUM(e{j}) AS t{j}" for j in range(len(columns))]
    outer += [f"SUM(e{i} * e{j}) AS p{i}_{j}" for i, j in pairs]
    sql = (
        f"{units.ahead}SELECT {', '.join(outer)} FROM "
        f"(SELECT {', '.join(inner)} FROM {users_of(units, way)}) AS rows_ GROUP BY {', '.join(units.keys)}"
    )
    rows = source.rows(sql)
    if len(rows) > MOST_CELLS:
        raise DataError(
            f"the segments make {len(rows):,} cells", allowed=f"at most {MOST_CELLS:,}", advice="name fewer, or coarser"
        )
    ends = np.cumsum([len(units.keys), 1, len(numbers), len(wary), len(columns), len(pairs)])
    values = np.array([row[ends[0] :] for row in rows], dtype=np.float64).reshape(len(rows), ends[-1] - ends[0])
    n, counts, lows, first, second = np.split(values, ends[1:-1] - ends[0], axis=1)
    lowest = np.full((len(rows), len(numbers)), np.nan)
    lowest[:, wary] = lows
    return Answer([row[: ends[0]] for row in rows], n[:, 0].astype(np.int64), counts, lowest, first, second)


def finite(place: int) -> str:
    """The condition that a number per user is neither NaN nor infinite, as SQL.

    No comparison with a bound: DuckDB answers such from the file's statistics, which know nothing of NaN.
    """
    return f"q{place} - q{place} = 0"


def _wary(plan: AnalysisPlan, layout: Layout) -> set[Number]:
    """The numbers that must not be below zero."""
    return {
        column.number
        for id_, metric in layout.metrics.items()
        if not plan.defined[id_].negative
        for column in (metric.y, metric.x)
        if column
    }


def _centred(column: Column, way: Pass) -> str:
    centre = way.centre[way.layout.columns.index(column)]
    return f"{way.value(column)} - {literal(centre)}" if centre else way.value(column)


def users_of(units: Units, way: Pass) -> str:
    """The users of a pass, as what stands behind FROM."""
    return f"{units.body}{_where(way)}"


def _where(way: Pass) -> str:
    if not way.finite:
        return ""
    tests = (f"(q{i} IS NULL OR {finite(i)})" for i in range(len(way.layout.numbers)))
    return f" WHERE {' AND '.join(tests)}"


def capped(source: Source, units: Units, way: Pass) -> Mapping[str, float]:
    """The thresholds of capped columns: a quantile of the users of all variants whose value is not zero."""
    caps = dict(way.caps)
    for column in way.layout.columns:
        if column.role != "capped" or column.name in caps:
            continue
        value = f"q{way.layout.numbers.index(column.number)}"
        body = f"{units.body}{_where(replace(way, finite=True))} AND {value} <> 0"
        ((n,),) = source.rows(f"{units.ahead}SELECT COUNT(*) AS n FROM {body}")
        above = int(n) - math.ceil(column.cap * int(n) - 1e-9)
        found = source.rows(f"{units.ahead}SELECT {value} AS v FROM {body} ORDER BY v DESC LIMIT 1 OFFSET {above}")
        caps[column.name] = float(found[0][0]) if found else 0.0
    return caps
