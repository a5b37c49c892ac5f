from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.experiments.analysis.adjust import PooledAdjustment
from recloop.experiments.analysis.arms import SummedArms
from recloop.experiments.analysis.layout import Column, Layout
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.sums import Sums
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
    """

    plan: AnalysisPlan
    sums: Sums
    layout: Layout
    adjustments: Mapping[str, PooledAdjustment]

    @classmethod
    def of(cls, plan: AnalysisPlan, sums: Sums, layout: Layout) -> "Reader":
        """With adjustments fitted over all users."""
        where = [sums.of(name) for name in plan.variants]
        found = {}
        for id_, columns in layout.metrics.items():
            names = _names(columns.y, columns.x, *columns.covariates)
            arms = [sums.comoments(names, one) for one in where]
            found[id_] = PooledAdjustment.of(arms, ratio=columns.x is not None)
        return cls(plan, sums, layout, found)

    def comoments(self, metric: str, where: Where) -> Comoments:
        """Numerator, denominator, covariates."""
        columns = self.layout.metrics[metric]
        return self.sums.comoments(_names(columns.y, columns.x, *columns.covariates), where)

    def moments(self, metric: str, where: Where) -> Moments:
        """The metric less what its covariates explain."""
        return self.adjustments[metric](self.comoments(metric, where))

    def uncapped(self, metric: str, where: Where) -> Moments | None:
        """The metric as it was before it was capped, without covariates; None where it was not capped."""
        columns = self.layout.metrics[metric]
        if columns.raw is None:
            return None
        found = self.sums.comoments(_names(columns.raw, columns.x), where)
        return found.moments(0, None if columns.x is None else 1)

    def arms(self) -> SummedArms:
        """All of them."""
        where = {name: self.sums.of(name) for name in self.plan.variants}
        both = {(id_, name): self.comoments(id_, one) for id_ in self.plan.metrics for name, one in where.items()}
        return SummedArms(
            frames={},
            metrics=self.plan.catalogue,
            missing=dict.fromkeys(self.plan.metrics, ""),
            moments={(id_, name): self.adjustments[id_](one) for (id_, name), one in both.items()},
            comoments=both,
        )


def _names(*columns: Column | None) -> list[str]:
    return [column.name for column in columns if column]
