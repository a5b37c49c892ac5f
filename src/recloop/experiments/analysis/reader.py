from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recloop.experiments.adjust import PooledAdjustment
from recloop.experiments.analysis.layout import Column, Layout
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.sums import Sums
from recloop.experiments.arms import Arms
from recloop.stats import Moments
from recloop.stats.comoments import Comoments

Where = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads moments of metrics out of sums, over any users.

    Args:
        plan: what is read.
        sums: of all users.
        layout: where each metric's columns are.
        adjustments: metric → how its covariates are taken out.
        skews: metric → skewness, as a scan has it.
    """

    plan: AnalysisPlan
    sums: Sums
    layout: Layout
    adjustments: Mapping[str, PooledAdjustment]
    skews: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: AnalysisPlan, sums: Sums, layout: Layout, skews: Mapping[str, float] = {}) -> "Reader":
        """With adjustments fitted over all users."""
        where = [sums.of(name) for name in plan.variants]
        found = {}
        for id_, columns in layout.metrics.items():
            names = _names(columns.y, columns.x, *columns.covariates)
            arms = [sums.comoments(names, one) for one in where]
            found[id_] = PooledAdjustment.of(arms, ratio=columns.x is not None)
        return cls(plan, sums, layout, found, skews)

    def comoments(self, metric: str, where: Where) -> Comoments:
        """Numerator, denominator, covariates."""
        columns = self.layout.metrics[metric]
        return self.sums.comoments(_names(columns.y, columns.x, *columns.covariates), where)

    def moments(self, metric: str, where: Where) -> Moments:
        """The metric less what its covariates explain."""
        return self.adjustments[metric](self.comoments(metric, where))

    def uncapped(self, metric: str, where: Where) -> Moments:
        """A capped metric as it was before, without covariates."""
        columns = self.layout.metrics[metric]
        found = self.sums.comoments(_names(columns.raw, columns.x), where)
        return found.moments(0, None if columns.x is None else 1)

    def arms(self, among: Where | None = None) -> Arms:
        """All of them. Their moments are those of the metrics less what covariates explain.

        Args:
            among: (cells,) whose users count; None is everybody's.
        """
        where = {
            name: self.sums.of(name) if among is None else self.sums.of(name) & among for name in self.plan.variants
        }
        both = {(id_, name): self.comoments(id_, one) for id_ in self.plan.metrics for name, one in where.items()}
        capped = {id_: columns.y.name for id_, columns in self.layout.metrics.items() if columns.raw}
        return Arms(
            metrics=self.plan.catalogue,
            missing=dict.fromkeys(self.plan.metrics, ""),
            moments={(id_, name): self.adjustments[id_](one) for (id_, name), one in both.items()},
            comoments=both,
            adjustments=self.adjustments,
            uncapped={(id_, name): self.uncapped(id_, one) for id_ in capped for name, one in where.items()},
            caps={id_: self.sums.caps[name] for id_, name in capped.items()},
            skews=self.skews,
        )


def _names(*columns: Column | None) -> list[str]:
    return [column.name for column in columns if column]
