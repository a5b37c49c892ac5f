"""One query over the data: the sums of every metric, covariate and segment at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from recloop.experiments.analysis.before import before
from recloop.experiments.analysis.findings import Finding, Findings
from recloop.experiments.analysis.layout import Layout
from recloop.experiments.analysis.look import look
from recloop.experiments.analysis.passes import Pass
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.quantity import Number
from recloop.experiments.analysis.settle import settle
from recloop.experiments.analysis.skews import skews
from recloop.experiments.analysis.source import Source
from recloop.experiments.analysis.sums import Sums
from recloop.experiments.analysis.units import rows_of_users, users_from_events
from recloop.experiments.analysis.variants import known


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over the data gave.

    Attributes:
        sums: of all users that count.
        findings: kinds of bad data that were counted.
        crossovers: users seen in several variants; they are left out.
        incomplete: covariates that some users lack.
        counted: whether it is known that no user comes twice.
        notes: what a reader should know of how the data were taken.
        skews: metric → skewness of the value of a user: of the primary metric and the guardrails, where the plan's
            variants differ in size. Of added scans the larger one.
    """

    sums: Sums
    findings: tuple[Finding, ...] = ()
    crossovers: int = 0
    incomplete: frozenset[Number] = frozenset()
    counted: bool = True
    notes: tuple[str, ...] = ()
    skews: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Self) -> Self:
        """What is known of the users of both; no user may be in both.

        Raises:
            DataError: they were made by different plans, or capped at different values.
        """
        skews = dict(self.skews)
        for id_, skew in other.skews.items():
            skews[id_] = max(skews.get(id_, 0.0), skew, key=abs)
        return type(self)(
            self.sums + other.sums,
            self.findings + other.findings,
            self.crossovers + other.crossovers,
            self.incomplete,
            self.counted and other.counted,
            tuple(dict.fromkeys(self.notes + other.notes)),
            skews,
        )

    @property
    def caps(self) -> Mapping[str, float]:
        """Where columns were capped."""
        return self.sums.caps


def scan(source: Source, plan: AnalysisPlan, *, like: Scan | None = None) -> Scan:
    """The sums of a source.

    One query where the data are clean. A second one where variants differ in size (for the skew), covariates have gaps,
    values are infinite, or values are large against their spread, and one for each metric that is capped.

    Args:
        source: where the rows lie.
        plan: what to read.
        like: an earlier scan whose caps and gaps hold for this one, too, so that their sums add up.

    Raises:
        SettingError: the data lack a column that the plan names.
        DataError: the data cannot be read, or are bad and the plan says stop.
    """
    shape = look(source, plan)
    findings = Findings(plan.bad_data)
    start = before(source, plan, shape, findings)
    layout = Layout.of(plan, like.incomplete if like else ())
    make = users_from_events if shape.events is not None else rows_of_users
    units = make(plan, shape, source.tables, layout.numbers, start.conditions)
    way = Pass(layout, (0.0,) * len(layout.columns), like.caps if like else {}, layout.incomplete)
    answer, way = settle(source, plan, units, way, findings)
    cells, places, crossovers = known(plan, units.keys, answer.keys, answer.n, findings)
    order = sorted(range(len(cells)), key=lambda row: (cells[row].variant, cells[row].day or 0, cells[row].segments))
    rows = [places[row] for row in order]
    columns = way.layout.columns
    sums = Sums(
        columns=tuple(column.name for column in columns),
        pairs=way.layout.pairs,
        segments=plan.segments,
        cells=tuple(cells[row] for row in order),
        n=answer.n[rows],
        centre=np.array(way.centre),
        first=answer.first[rows],
        second=answer.second[rows],
        caps=way.caps,
    )
    return Scan(
        sums,
        tuple(findings.found),
        crossovers + start.crossovers,
        way.layout.incomplete,
        start.counted,
        start.notes,
        skews(source, plan, units, way, sums),
    )
