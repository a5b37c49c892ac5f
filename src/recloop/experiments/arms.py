"""What each arm's users did, as moments, and what two arms differ by."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from recloop.metrics.online import OutcomeMetric
from recloop.stats import Effect, Moments, always_valid, ratio, welch
from recloop.stats.comoments import Comoments
from recloop.stats.crossed import crossed


@dataclass(frozen=True, slots=True)
class Effects:
    """One comparison in two ways: right for a single look at a planned size, and right at every look."""

    fixed: Effect
    sequential: Effect


@dataclass(frozen=True, slots=True)
class Arms:
    """The user table by arm, with the moments of every metric, each read once."""

    frames: Mapping[str, pl.DataFrame]
    metrics: Mapping[str, OutcomeMetric]
    missing: Mapping[str, str]
    moments: Mapping[tuple[str, str], Moments]
    crossed: bool = False

    @classmethod
    def of(cls, table: pl.DataFrame, metrics: Iterable[OutcomeMetric], *, crossed: bool = False) -> "Arms":
        """The arms of a user table. ``crossed``: users are seen in several of them, since sessions were assigned.

        Raises:
            DataError: a column holds text, NaN or infinite values.
        """
        by_id = {metric.id: metric for metric in metrics}
        frames = {str(name): part for (name,), part in table.partition_by("variant", as_dict=True).items()}
        missing = {id_: metric.missing(table) for id_, metric in by_id.items()}
        moments = {
            (id_, name): metric.moments(frame)
            for id_, metric in by_id.items()
            if not missing[id_]
            for name, frame in frames.items()
        }
        return cls(frames, by_id, missing, moments, crossed)

    def unknown(self, metric: str, arm: str) -> str:
        """Why the metric has no value in the arm; empty where it has one."""
        if self.missing[metric]:
            return self.missing[metric]
        moments = self.moments.get((metric, arm), Moments())
        if moments.n < 2:
            return f"{moments.n} users under {arm}"
        if moments.x_mean == 0:
            return f"none under {arm} yet: it needs {self.metrics[metric].needs}"
        return ""

    def value(self, metric: str, arm: str) -> float:
        """The metric's value in the arm; NaN where it has none."""
        return math.nan if self.unknown(metric, arm) else self.moments[metric, arm].estimate().value

    def equal(self, metric: str, treatment: str, control: str) -> bool:
        """Whether every user of both arms has one and the same value: then there is nothing to infer."""
        if self.unknown(metric, treatment) or self.unknown(metric, control):
            return False
        t, c = self.moments[metric, treatment].estimate(), self.moments[metric, control].estimate()
        return t.variance == c.variance == 0 and math.isclose(t.value, c.value, rel_tol=1e-9)

    def incomparable(self, metric: str, treatment: str, control: str) -> str:
        """Why there is no effect of one arm against the other; empty where there is one."""
        if reason := self.unknown(metric, treatment) or self.unknown(metric, control):
            return reason
        if self.equal(metric, treatment, control):
            return f"{self.metrics[metric].say(self.value(metric, control))} for every user of both"
        return ""

    def effects(self, metric: str, treatment: str, control: str, alpha: float, planned: int) -> Effects:
        """The treatment against the control; ``planned`` counts the users of these two arms."""
        if self.crossed:
            sums = self._sums(metric, treatment, control)
            return Effects(crossed(sums, alpha), crossed(sums, alpha, planned=planned))
        t, c = self.moments[metric, treatment], self.moments[metric, control]
        once = welch(t, c, alpha) if t.x_mean is None else ratio(t, c, alpha)
        return Effects(once, always_valid(t, c, alpha, planned=planned))

    def _sums(self, metric: str, *arms: str) -> Comoments:
        """What each user of either arm adds to numerator and denominator in each: zero where the user never was."""
        sides = []
        for arm in arms:
            y, x = self.metrics[metric].values(self.frames[arm])
            columns = {"user": self.frames[arm]["user"], f"y {arm}": y, f"x {arm}": np.ones(y.size) if x is None else x}
            sides.append(pl.DataFrame(columns))
        both = sides[0].join(sides[1], on="user", how="full", coalesce=True).drop("user").fill_null(0.0)
        return Comoments.of(both.to_numpy())
