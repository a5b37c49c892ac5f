"""Passes over the data until the sums are whole: one where the data are clean."""

from dataclasses import replace

import numpy as np

from recloop.errors import DataError
from recloop.experiments.analysis.findings import Findings
from recloop.experiments.analysis.layout import Layout
from recloop.experiments.analysis.passes import Answer, Pass, ask, capped, finite
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.quantity import Number
from recloop.experiments.analysis.source import Source
from recloop.experiments.analysis.units import Units
from recloop.experiments.words import number_of

FAR = 1e4  # squared mean over variance above which sums are taken again around the mean: four figures would be lost


def settle(source: Source, plan: AnalysisPlan, units: Units, way: Pass, findings: Findings) -> tuple[Answer, Pass]:
    """Passes until the sums are whole: one where the data are clean."""
    for _ in range(4):
        way = replace(way, caps=capped(source, units, way))
        answer = ask(source, plan, units, way)
        better = _better(source, plan, units, way, answer, findings)
        if better == way:
            return answer, way
        way = better
    raise DataError("the sums of the data do not settle", advice="report this as a fault, with the plan")


def _better(source: Source, plan: AnalysisPlan, units: Units, way: Pass, answer: Answer, findings: Findings) -> Pass:
    """How the next pass should be made; the same where this one will do."""
    numbers, outcomes = way.layout.numbers, way.layout.outcomes
    n = int(answer.n.sum())
    whole = answer.counts.sum(axis=0)
    gaps = {number: n - int(k) for number, k in zip(numbers, whole, strict=True) if k < n and number not in way.filled}
    for number, count in gaps.items():
        if number in outcomes:
            findings.add(
                "empty", count, f"'{number.name}' is empty for {number_of('user', count)}", "it counts as 0 there",
                allowed="a metric reads one number per user: 0 where nothing happened",
            )  # fmt: skip
    if gaps:
        incomplete = way.layout.incomplete | (gaps.keys() - outcomes)
        layout = Layout.of(plan, incomplete)
        return replace(way, layout=layout, centre=(0.0,) * len(layout.columns), filled=way.filled | gaps.keys())
    if not (np.isfinite(answer.first).all() and np.isfinite(answer.second).all()):
        _tell_infinite(source, units, way, findings)
        return replace(way, finite=True)
    for place, number in enumerate(numbers):
        if (answer.lowest[:, place] < 0).any():
            _tell_negative(source, units, place, number, findings)
    centre = _centre(way, answer, n)
    return way if centre == way.centre else replace(way, centre=centre)


def _centre(way: Pass, answer: Answer, n: int) -> tuple[float, ...]:
    """Where a column's values are large against their spread: its mean. Elsewhere what it was."""
    place = {pair: row for row, pair in enumerate(way.layout.pairs)}
    found = list(way.centre)
    for j in range(len(found)):
        mean = float(answer.first[:, j].sum()) / n if n else 0.0
        square = float(answer.second[:, place[j, j]].sum()) / n if n else 0.0
        # a constant column, too: its spread is nothing but rounding
        if not found[j] and mean * mean > FAR * max(square - mean * mean, 0.0):
            found[j] = mean
    return tuple(found)


def _tell_infinite(source: Source, units: Units, way: Pass, findings: Findings) -> None:
    tests = ", ".join(
        f"SUM(CASE WHEN NOT ({finite(i)}) THEN 1 ELSE 0 END) AS b{i}" for i in range(len(way.layout.numbers))
    )
    (bad,) = source.rows(f"{units.ahead}SELECT {tests} FROM {units.body}")
    for number, count in zip(way.layout.numbers, bad, strict=True):
        if count:
            findings.add(
                "infinite", int(count), f"'{number.name}' is NaN or infinite for {number_of('user', int(count))}",
                "they are left out",
            )  # fmt: skip
    if way.finite or not any(bad):
        raise DataError("the squares of the values are too large to be added up", allowed="values below 1e150")


def _tell_negative(source: Source, units: Units, place: int, number: Number, findings: Findings) -> None:
    ((count, lowest),) = source.rows(
        f"{units.ahead}SELECT SUM(CASE WHEN q{place} < 0 THEN 1 ELSE 0 END) AS n, MIN(q{place}) AS low "
        f"FROM {units.body}"
    )
    findings.add(
        "negative",
        int(count),
        f"'{number.name}' is below zero for {number_of('user', int(count))} (lowest {float(lowest):g})",
        "they are kept",
        advice="set negative = true for the metric where that is right",
    )
