"""How skewed metrics are: asked for only where variants differ in size, since it costs a second query."""

from collections.abc import Mapping

import numpy as np

from recloop.experiments.analysis.layout import MetricColumns
from recloop.experiments.analysis.passes import Pass, users_of
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.source import Source, literal
from recloop.experiments.analysis.sums import Sums
from recloop.experiments.analysis.units import Units
from recloop.experiments.arms import ALIKE


def skews(source: Source, plan: AnalysisPlan, units: Units, way: Pass, sums: Sums) -> Mapping[str, float]:
    """Metric → skewness of the value of a user, for the primary metric and the guardrails.

    The value is that of the metric over all users, without what covariates explain: y less its mean, or y - R x of a
    ratio; one query adds up its squares and cubes. Nothing is asked where the variants that have users are of one size.
    """
    counts = [sums.users(sums.of(name)) for name in plan.variants]
    counts = [count for count in counts if count]
    if len(counts) < 2 or max(counts) < ALIKE * min(counts):
        return {}
    wanted = dict.fromkeys([plan.primary, *(one.metric for one in plan.guardrails)])
    values = [_value(way, way.layout.metrics[id_], sums) for id_ in wanted]
    powers = ", ".join(
        f"SUM(v{i}) AS a{i}, SUM(v{i} * v{i}) AS b{i}, SUM(v{i} * v{i} * v{i}) AS c{i}" for i in range(len(values))
    )
    chosen = ", ".join(f"{value} AS v{i}" for i, value in enumerate(values))
    body = users_of(units, way)
    ((n, *found),) = source.rows(
        f"{units.ahead}SELECT COUNT(*) AS n, {powers} FROM (SELECT {chosen} FROM {body}) AS values_"
    )
    parts = np.array([0.0 if one is None else one for one in found], dtype=np.float64).reshape(-1, 3) / max(int(n), 1)
    return {id_: _skewness(*part) for id_, part in zip(wanted, parts.tolist(), strict=True)}


def _value(way: Pass, columns: MetricColumns, sums: Sums) -> str:
    everybody = sums.n >= 0
    names = [one.name for one in (columns.y, columns.x) if one]
    means = sums.comoments(names, everybody).means
    y = way.value(columns.y)
    if columns.x is None:
        return f"({y} - {literal(float(means[0]))})"
    ratio = float(means[0] / means[1]) if means[1] else 0.0
    return f"({y} - {literal(ratio)} * {way.value(columns.x)})"


def _skewness(first: float, second: float, third: float) -> float:
    variance = second - first * first
    return (third - 3 * first * second + 2 * first**3) / variance**1.5 if variance > 0 else 0.0
