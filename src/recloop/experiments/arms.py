"""What each arm's users did, as moments, and what two arms differ by."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.experiments.adjust import PooledAdjustment
from recloop.experiments.effects import Effects, adjusted, enough, group_sequential, plain
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Adjusted, Comoments, Effect, GroupSequential, Moments, cap, cuped, impute
from recloop.stats.crossed import crossed
from recloop.stats.skewness import skewness, users_needed

ALIKE = 1.25  # arms that differ by less are of one size: skew cancels

Columns = tuple[NDArray[np.float64], NDArray[np.float64] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Every metric by arm, each read once.

    Attributes:
        metrics: by id.
        missing: metric → why it cannot be computed; empty where it can.
        moments: (metric, arm) → of the metric, capped and less what covariates explain where it has any.
        frames: arm → its users; empty where only sums are known.
        comoments: (metric, arm) → of numerator, denominator and covariates, where the metric has covariates.
        adjustments: metric → how its covariates are taken out, where it has any.
        covariates: (metric, arm) → (n, d), rows as in ``frames``.
        uncapped: (metric, arm) → of the metric as it was before it was capped, without covariates.
        caps: metric → where it is capped.
        crossed: whether users are seen in several arms, since sessions were assigned.
        skews: metric → skewness of the value of a user, where only sums are known and somebody asked.
    """

    metrics: Mapping[str, OutcomeMetric]
    missing: Mapping[str, str]
    moments: Mapping[tuple[str, str], Moments]
    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    comoments: Mapping[tuple[str, str], Comoments] = field(default_factory=dict)
    adjustments: Mapping[str, PooledAdjustment] = field(default_factory=dict)
    covariates: Mapping[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict)
    uncapped: Mapping[tuple[str, str], Moments] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)
    crossed: bool = False
    skews: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        table: pl.DataFrame,
        metrics: Iterable[OutcomeMetric],
        *,
        crossed: bool = False,
        winsorise: Mapping[str, float] = {},
        covariates: Mapping[str, NDArray[np.float64]] = {},
    ) -> "Arms":
        """The arms of a user table.

        Args:
            table: one row per (variant, user).
            metrics: to be read.
            crossed: users are seen in several arms, since sessions were assigned; such metrics are neither capped nor
                adjusted.
            winsorise: metric → quantile of the users with a value at which its numerator is capped.
            covariates: metric → (n, d) of the rows of the table, NaN where a value is missing.

        Raises:
            DataError: a column holds text, NaN or infinite values.
        """
        by_id = {metric.id: metric for metric in metrics}
        missing = {id_: metric.missing(table) for id_, metric in by_id.items()}
        frames = {str(name): part for (name,), part in table.partition_by("variant", as_dict=True).items()}
        arm_of = table["variant"].to_numpy()
        rows = {name: np.flatnonzero(arm_of == name) for name in frames}
        moments: dict[tuple[str, str], Moments] = {}
        comoments: dict[tuple[str, str], Comoments] = {}
        uncapped: dict[tuple[str, str], Moments] = {}
        sides: dict[tuple[str, str], NDArray[np.float64]] = {}
        caps: dict[str, float] = {}
        adjustments: dict[str, PooledAdjustment] = {}
        for id_, metric in by_id.items():
            if missing[id_]:
                continue
            values = {name: metric.values(frame) for name, frame in frames.items()}
            if id_ in winsorise and any(y.any() for y, _ in values.values()):
                caps[id_] = cap(np.concatenate([y for y, _ in values.values()]), (), winsorise[id_])
                uncapped |= {(id_, name): Moments.of(*one) for name, one in values.items()}
                values = {name: (np.minimum(y, caps[id_]), x) for name, (y, x) in values.items()}
            if id_ in covariates and table.height:
                known = impute(covariates[id_])
                sides |= {(id_, name): known[places] for name, places in rows.items()}
                found = {name: Comoments.of(_stacked(*values[name], sides[id_, name])) for name in values}
                adjustments[id_] = PooledAdjustment.of(list(found.values()), ratio=metric.denominator is not None)
                comoments |= {(id_, name): one for name, one in found.items()}
                moments |= {(id_, name): adjustments[id_](one) for name, one in found.items()}
            else:
                moments |= {(id_, name): Moments.of(*one) for name, one in values.items()}
        return cls(
            metrics=by_id,
            missing=missing,
            moments=moments,
            frames=frames,
            comoments=comoments,
            adjustments=adjustments,
            covariates=sides,
            uncapped=uncapped,
            caps=caps,
            crossed=crossed,
        )

    # ---- values

    def columns(self, metric: str, arm: str) -> Columns:
        """Numerator, capped where it is, and denominator of each user of the arm."""
        y, x = self.metrics[metric].values(self.frames[arm])
        return (np.minimum(y, self.caps[metric]) if metric in self.caps else y), x

    def values(self, metric: str, arm: str) -> Columns:
        """Those columns, the numerator less what covariates explain."""
        y, x = self.columns(metric, arm)
        if metric not in self.adjustments:
            return y, x
        return self.adjustments[metric].values(y, self.covariates[metric, arm]), x

    def plain(self, metric: str, arm: str) -> Moments:
        """The moments without covariates."""
        if (metric, arm) not in self.comoments:
            return self.moments[metric, arm]
        return self.comoments[metric, arm].moments(0, 1 if self.metrics[metric].denominator else None)

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

    def users_needed(self, metric: str, treatment: str, control: str) -> int:
        """Users of the smaller arm from which so skewed a metric can be trusted; 0 where it has them."""
        counts = [self.moments[metric, name].n for name in (treatment, control)]
        if not self.unequal(metric, treatment, control):
            return 0
        if not self.frames:
            return users_needed(self.skews.get(metric, 0.0), *counts)
        values = []
        for name in (treatment, control):
            y, x = self.values(metric, name)
            moments = self.moments[metric, name]
            values.append(y if x is None or not moments.x_mean else (y - moments.ratio * x) / moments.x_mean)
        return users_needed(skewness(*values), *counts)

    def unequal(self, metric: str, treatment: str, control: str) -> bool:
        """Whether the arms differ in size, so that the skew of the metric does not cancel."""
        counts = [self.moments[metric, name].n for name in (treatment, control)]
        return not self.crossed and max(counts) >= ALIKE * min(counts)

    # ---- effects

    def effects(self, metric: str, treatment: str, control: str, alpha: float, planned: int) -> Effects:
        """The treatment against the control; ``planned`` counts the users of these two arms."""
        if self.crossed:
            sums = self._sums(metric, treatment, control)
            return Effects(crossed(sums, alpha), crossed(sums, alpha, planned=planned))
        if both := self._adjustable(metric, treatment, control):
            return adjusted(*both, alpha, planned, ratio=self._ratio(metric))
        return plain(self.moments[metric, treatment], self.moments[metric, control], alpha, planned)

    def adjusted(self, metric: str, treatment: str, control: str, alpha: float) -> Adjusted | None:
        """The fixed comparison with covariates; None where the metric has none, or there are too few users for them."""
        both = self._adjustable(metric, treatment, control)
        return cuped(*both, alpha, ratio=self._ratio(metric)) if both else None

    def at_look(self, metric: str, treatment: str, control: str, design: GroupSequential, look: int) -> Effect:
        """The treatment against the control, where these are the users of a planned look."""
        if both := self._adjustable(metric, treatment, control):
            return group_sequential(*both, design, look, ratio=self._ratio(metric))
        return design.effect(self.moments[metric, treatment], self.moments[metric, control], look)

    def _ratio(self, metric: str) -> bool:
        return self.metrics[metric].denominator is not None

    def _adjustable(self, metric: str, treatment: str, control: str) -> tuple[Comoments, Comoments] | None:
        if (metric, treatment) not in self.comoments:
            return None
        t, c = self.comoments[metric, treatment], self.comoments[metric, control]
        return (t, c) if enough(t, c, ratio=self._ratio(metric)) else None

    def shared_sums(
        self, metric: str, treatment: str, control: str, frames: Mapping[str, pl.DataFrame], segment: str
    ) -> dict[str, Comoments]:
        """Value of a segment → what each of its users did in either arm; ``frames`` hold it as text."""
        if not {treatment, control} <= frames.keys():
            return {}
        both = self._both(metric, treatment, control)
        seen = pl.concat([frames[name].select("user", segment) for name in (treatment, control)]).unique(
            "user", keep="first", maintain_order=True
        )
        parts = both.join(seen, on="user").sort(segment, "user").partition_by(segment, as_dict=True)
        return {str(value): Comoments.of(part.drop("user", segment).to_numpy()) for (value,), part in parts.items()}

    def _sums(self, metric: str, *arms: str) -> Comoments:
        return Comoments.of(self._both(metric, *arms).drop("user").to_numpy())

    def _both(self, metric: str, *arms: str) -> pl.DataFrame:
        """What each user of either arm adds to numerator and denominator in each: zero where the user never was."""
        sides = []
        for arm in arms:
            y, x = self.metrics[metric].values(self.frames[arm])
            columns = {"user": self.frames[arm]["user"], f"y {arm}": y, f"x {arm}": np.ones(y.size) if x is None else x}
            sides.append(pl.DataFrame(columns))
        return sides[0].join(sides[1], on="user", how="full", coalesce=True).fill_null(0.0)


def _stacked(
    y: NDArray[np.float64], x: NDArray[np.float64] | None, covariates: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.column_stack([y, covariates] if x is None else [y, x, covariates])
