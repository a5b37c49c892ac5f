"""What is read from a team's own data, and by which rule: written down before the data are opened."""

import math
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from recloop.compose.typed import typed
from recloop.errors import MissingError, SettingError, nearest
from recloop.experiments.analysis.metric_plan import MetricPlan
from recloop.experiments.definition import Experiment, Guardrail, Variant
from recloop.metrics.online import OutcomeMetric

Policy = Literal["stop", "warn"]
DAY = 86400.0


class ArmPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A variant, as the data name it.

    Attributes:
        weight: planned share of the traffic, in any unit.
        control: whether the others are held against it.
        value: what the column ``variant`` holds for it, a text, a whole number or a truth value; empty means its name.
    """

    weight: float = 1.0
    control: bool = False
    value: str | int | bool = ""

    @property
    def text(self) -> str:
        """The value as a column of text holds it."""
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """How the data name their columns.

    Attributes:
        user: ``user`` unless told otherwise. Where there is one row per user it may be absent; then nobody can tell
            whether a user comes twice.
        variant: which variant a user saw.
        time: of exposures and events, ``time`` unless told otherwise; may be absent where there is one row per user.
        kind: of events.
        value: of events.
        unique: whether each row is known to be one user. Then users are not counted again, which saves a second pass.
    """

    user: str | None = None
    variant: str = "variant"
    time: str | None = None
    kind: str = "kind"
    value: str = "value"
    unique: bool = False


class AnalysisPlan(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """How an experiment whose data lie elsewhere is read.

    Attributes:
        variants: name → variant; at least one control and one that is none.
        metrics: id → metric.
        primary: id of the metric that decides.
        name: of the experiment.
        hypothesis: why anybody expects a change.
        guardrails: what must not get worse.
        alpha: chance of a false alarm that is accepted.
        rule: ``sequential`` may be read any time, ``fixed`` once, ``group-sequential`` at the planned looks.
        planned_users: users of all variants at which the experiment ends. All rules but ``fixed`` need it; without it
            the fixed rule takes the data for all that was planned.
        looks: of the rule ``group-sequential``: rising shares of the planned users, the last one 1.
        spending: how these looks spend alpha, as in an experiment's definition.
        futility: how they spend the chance to miss a change, likewise; empty is no futility bound.
        power: chance to find the change that the plan is made for.
        minimum_users: users that each variant needs before anything is said.
        window_days: events count for so many days after a user's first exposure.
        start: exposures before are outside the experiment.
        stop: exposures from then on are outside the experiment.
        segments: columns by which effects are shown apart.
        minimum_cell: users that a variant needs in a segment before an effect is shown there.
        bad_data: ``stop`` ends with an error at the first kind of bad data, ``warn`` counts it and goes on.
        columns: how the data name their columns.

    Raises:
        SettingError: a value is out of range, or two do not go together.

    >>> plan = AnalysisPlan.parse({
    ...     "variants": {"old": {"control": True}, "new": {}}, "metrics": {"revenue": {}}, "primary": "revenue",
    ...     "rule": "fixed"})
    >>> plan.metrics["revenue"].direction
    'higher'
    """

    variants: dict[str, ArmPlan]
    metrics: dict[str, MetricPlan]
    primary: str
    name: str = "experiment"
    hypothesis: str = ""
    guardrails: tuple[Guardrail, ...] = ()
    alpha: float = 0.05
    rule: Literal["sequential", "fixed", "group-sequential"] = "sequential"
    planned_users: int | None = None
    looks: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    spending: str = "obrien-fleming"
    futility: str = ""
    power: float = 0.8
    minimum_users: int = 100
    window_days: float = 14.0
    start: datetime | None = None
    stop: datetime | None = None
    segments: tuple[str, ...] = ()
    minimum_cell: int = 100
    bad_data: Policy = "stop"
    columns: Columns = Columns()

    def __post_init__(self) -> None:
        if self.rule != "fixed" and self.planned_users is None:
            raise SettingError(
                f"the rule is '{self.rule}', and planned_users is not set",
                allowed="its intervals are made for a size that was planned",
                advice="set planned_users, or rule = 'fixed' for data that are read once",
            )
        for id_, metric in self.defined.items():
            if not 0.5 <= metric.winsorise <= 1:
                raise SettingError(f"[metrics.{id_}] winsorise is {metric.winsorise}", allowed="between 0.5 and 1")
            if not (math.isfinite(metric.before_days) and metric.before_days >= 0):
                raise SettingError(f"[metrics.{id_}] before_days is {metric.before_days}", allowed="a number of days")
            if metric.before_days and not metric.from_events:
                raise SettingError(
                    f"[metrics.{id_}] has before_days, and its numbers are columns",
                    advice="name the columns with the numbers before the exposure in covariates",
                )
            if len(set(metric.covariates)) < len(metric.covariates):
                raise SettingError(f"[metrics.{id_}] names a covariate twice", advice="name each once")
            if {metric.numerator or id_, metric.denominator} & set(metric.covariates):
                raise SettingError(
                    f"[metrics.{id_}] is its own covariate",
                    allowed="a covariate is known before the exposure, and the metric explains all of itself",
                    advice="name the column of the time before",
                )
        if not 0 < self.window_days <= 366:
            raise SettingError(f"window_days is {self.window_days}", allowed="it lies between 0 and 366")
        if self.minimum_cell < 2:
            raise SettingError(f"minimum_cell is {self.minimum_cell}", allowed="at least 2 users")
        if self.start and self.stop and not seconds(self.start) < seconds(self.stop):
            raise SettingError(f"the plan starts at {self.start} and stops at {self.stop}", allowed="start before stop")
        names = list(self.values)
        if len(names) < len(self.variants):
            raise SettingError("two variants have the same value in the data", allowed="each has its own")
        self.experiment(2)

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Self:
        """The plan that a TOML table or a JSON object describes.

        Raises:
            SettingError: a setting or metric is unknown (the nearest is offered), or a value is not allowed.

        >>> AnalysisPlan.parse({"variants": {}, "metrics": {}, "primery": "revenue"})
        Traceback (most recent call last):
        recloop.errors.SettingError: [plan] has no setting 'primery'. Did you mean 'primary'? ...
        """
        return typed(cls, table, "plan")

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """The plan in a TOML file.

        Raises:
            MissingError: there is no such file.
            SettingError: it is not TOML, or not a plan.
        """
        path = Path(file)
        try:
            return cls.parse(tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise MissingError(f"there is no plan {path}", advice="name a TOML file") from None
        except UnicodeDecodeError as error:
            raise SettingError(f"{path} is not UTF-8 text: byte {error.start}", advice="save it as UTF-8") from None
        except tomllib.TOMLDecodeError as error:
            raise SettingError(f"{path} is not TOML: {error}", advice="text needs quotation marks") from None

    @cached_property
    def values(self) -> dict[str, str]:
        """What the data hold in the column of variants → variant."""
        return {arm.text or name: name for name, arm in self.variants.items()}

    @cached_property
    def defined(self) -> dict[str, MetricPlan]:
        """The metrics, with those of recloop's own filled in."""
        return {id_: metric.defined() for id_, metric in self.metrics.items()}

    @cached_property
    def catalogue(self) -> dict[str, OutcomeMetric]:
        """The metrics as the readout names them."""
        return {
            id_: OutcomeMetric(
                id=id_,
                title=metric.title or id_.replace("_", " "),
                formula="",
                unit=metric.unit or ("per unit" if metric.denominator else "per user"),
                needs="a denominator above zero" if metric.denominator else "users",
                numerator=id_,
                denominator=f"{id_} denominator" if metric.denominator else None,
                direction=metric.direction,
                margin=metric.margin,
                margin_scale=metric.margin_scale,
                form=metric.form,
            )
            for id_, metric in self.defined.items()
        }

    def experiment(self, users: int) -> Experiment:
        """The definition that the decision's rule reads; ``users`` are those seen, for a plan that names no size."""
        planned = self.planned_users or max(users, self.minimum_users)
        found = Experiment(
            name=self.name,
            hypothesis=self.hypothesis,
            variants={
                name: Variant(policy=name, weight=arm.weight, control=arm.control)
                for name, arm in self.variants.items()
            },
            primary=self.primary,
            guardrails=self.guardrails,
            alpha=self.alpha,
            window=self.window_days * DAY,
            minimum_users=self.minimum_users,
            planned_users=planned,
            rule=self.rule,
            looks=self.looks,
            spending=self.spending,
            futility=self.futility,
            power=self.power,
        )
        found.check_metrics(self.catalogue)
        return found

    def column(self, name: str, columns: Mapping[str, Any], table: str) -> str:
        """A column of the data, by its name in the plan.

        Raises:
            SettingError: the table has no such column; the nearest is offered.
        """
        if name not in columns:
            raise SettingError(f"the {table} have no column '{name}'", advice=nearest(name, columns))
        return name


def seconds(moment: datetime) -> float:
    """Seconds since 1970; a moment without time zone is in UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
