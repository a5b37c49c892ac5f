"""What an experiment is, written down before it starts."""

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from typing import Annotated, Any, Literal, Self

import msgspec

from recloop.compose.typed import typed
from recloop.errors import SettingError, nearest
from recloop.experiments.planned_looks import check_looks, spending_named
from recloop.experiments.ramp import Step, check_ramp
from recloop.experiments.targeting import Condition
from recloop.metrics.online import OUTCOMES, OutcomeMetric, unknown_metric
from recloop.metrics.online import Scale as MarginScale

NONE = "none"
"""The policy that recommends nothing. Every service has it, whatever its release."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# what definitions held from the first: these make the fingerprint always, later settings where they are not the default
_FIRST = {
    *("name", "version", "salt", "hypothesis", "variants", "primary", "guardrails"),
    *("alpha", "window", "minimum_users", "planned_users", "rule"),
}


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """What one share of the users gets.

    Attributes:
        policy: name of the policy that makes their slates; ``none`` shows nothing.
        weight: share of the traffic, in any unit; zero turns the variant off.
        control: whether treatments are held against it.
    """

    policy: str
    weight: float = 1.0
    control: bool = False


class Guardrail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A metric that the treatment may not worsen by more than a margin (non-inferiority).

    Attributes:
        metric: id of the metric.
        margin: the largest loss that is tolerated; None takes the metric's own.
        scale: ``relative`` (0.05 is 5% of the control's value) or ``absolute`` (in the metric's unit); None takes the
            metric's own.
        against: the control that it is held against; empty means each of them.
    """

    metric: str
    margin: float | None = None
    scale: MarginScale | None = None
    against: str = ""


class Holdout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Users that are in no experiment, so that the sum of all changes can be seen.

    Attributes:
        share: of all users.
        salt: text that the choice hangs on; another one chooses other users.
        policy: what they get; empty is the release's default policy, which changes with what is launched. Name the
            policy from before, so that they go on without it.
    """

    share: float
    salt: str = ""
    policy: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise SettingError(f"the holdout is {self.share}", allowed="a share of users of at least 0 and below 1")


class Experiment(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Who takes part, how they are split over variants, what is measured, and the rule that ends it.

    It never changes once it runs: ``revised`` makes the next version, whose users are split anew.

    Attributes:
        name: letters, digits, ``.``, ``_`` and ``-``.
        variants: name → variant; at least one control and one that is none.
        hypothesis: why anybody expects a change.
        unit: what is assigned: a ``user`` stays with a variant for good, a ``session`` for its length, a ``request``
            is drawn by itself. Users are what the statistics count in each case.
        surfaces: where it runs; empty means everywhere. A surface belongs to one layer at a time.
        layer: experiments of one layer share its units and never meet in one of them; layers are independent.
        traffic: share of the eligible units that takes part, at the end of the ramp.
        offset: where in the layer its share begins; None takes the first free place at the start.
        targeting: conditions that a request must meet, all of them.
        holdout: users that are in no experiment.
        ramp: shares of traffic over time; empty means all of it at once.
        starts: nobody is assigned before.
        ends: nobody is assigned from then on.
        forced: unit → variant, for those who test it; they are not counted.
        primary: id of the metric that decides.
        secondaries: ids of metrics that explain, and decide nothing.
        guardrails: what must not get worse.
        alpha: chance of a false alarm that is accepted.
        window: seconds after a slate in which what users do counts for it.
        minimum_users: users that each arm needs before anything is said.
        planned_users: users of all arms together at which the experiment ends; always-valid intervals are narrowest
            there. ``recloop.stats.sample_size`` finds it.
        rule: ``sequential`` may be looked at and ended any time; ``fixed`` is decided once, at the planned users;
            ``group-sequential`` at the planned looks.
        looks: of the rule ``group-sequential``: rising shares of the planned users, the last one 1.
        spending: how these looks spend alpha: ``obrien-fleming``, ``pocock``, ``power RHO`` or
            ``hwang-shih-decani GAMMA``.
        futility: how they spend the chance to miss a change, named as for ``spending``: below a bound the experiment
            is advised to end, since a win has become unlikely. Empty is no such bound.
        power: chance to find the change that the plan is made for: futility bounds and ``detectable`` go by it.
        winsorise: metric → quantile, of the users who have a value, at which its numerator is capped.
        covariate_days: days before a user's first slate of the experiment whose events and slates make effects sharper
            (CUPED); 0 is none.
        covariates: ``own`` takes the metric's own columns from before, ``predicted`` what a model that never saw the
            user foretells from all columns from before (CUPAC).
        salt: text that the split hangs on; empty means name and version.
        version: counts the revisions.
        auto_stop: whether ``recloop experiments decide --apply`` may end it where every treatment does harm.
        auto_promote: whether it may put the winner in charge of all users.

    >>> test = Experiment(name="home", variants={
    ...     "popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend")})
    >>> test.controls, test.treatments
    (('popular',), ('blend',))

    Raises:
        SettingError: a value is out of range, or two do not go together.
    """

    name: str
    variants: dict[str, Variant]
    hypothesis: str = ""
    unit: Literal["user", "session", "request"] = "user"
    surfaces: tuple[str, ...] = ()
    layer: str = "default"
    traffic: float = 1.0
    offset: float | None = None
    targeting: tuple[Condition, ...] = ()
    holdout: Holdout | None = None
    ramp: tuple[Step, ...] = ()
    starts: Moment | None = None
    ends: Moment | None = None
    forced: dict[str, str] = {}
    primary: str = "slate_ctr"
    secondaries: tuple[str, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    alpha: float = 0.05
    window: float = 86400.0
    minimum_users: int = 100
    planned_users: int = 10_000
    rule: Literal["sequential", "fixed", "group-sequential"] = "sequential"
    looks: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    spending: str = "obrien-fleming"
    futility: str = ""
    power: float = 0.8
    winsorise: dict[str, float] = {}
    covariate_days: float = 0.0
    covariates: Literal["own", "predicted"] = "own"
    salt: str = ""
    version: int = 1
    auto_stop: bool = True
    auto_promote: bool = False

    def __post_init__(self) -> None:
        variants = (("variant", name) for name in self.variants)
        for kind, name in (("experiment", self.name), ("layer", self.layer), *variants):
            if not _NAME.fullmatch(name):
                raise SettingError(
                    f"the {kind} is named '{name}'",
                    allowed="1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit",
                )
        for name, variant in self.variants.items():
            if not (math.isfinite(variant.weight) and variant.weight >= 0):
                raise SettingError(f"variant '{name}' has weight {variant.weight}", allowed="a number of at least 0")
        for what, group in (("control", self.controls), ("treatment", self.treatments)):
            if not any(self.variants[name].weight > 0 for name in group):
                advice = "mark one variant with control = true" if what == "control" else "add a variant to try"
                raise SettingError(f"experiment '{self.name}' has no {what} with traffic", advice=advice)
        self._check_traffic()
        self._check_reading()
        _between("alpha", self.alpha, 0, 0.5)
        _between("window", self.window, 0, 366 * 86400)
        if not 2 <= self.minimum_users <= self.planned_users:
            raise SettingError(
                f"minimum_users is {self.minimum_users} and planned_users {self.planned_users}",
                allowed="2 <= minimum_users <= planned_users",
            )
        for guardrail in self.guardrails:
            if guardrail.margin is not None and not (math.isfinite(guardrail.margin) and guardrail.margin > 0):
                raise SettingError(
                    f"the guardrail on '{guardrail.metric}' has margin {guardrail.margin}", allowed="it is above 0"
                )
            if guardrail.against and guardrail.against not in self.controls:
                raise SettingError(
                    f"the guardrail on '{guardrail.metric}' is held against '{guardrail.against}', which is no control",
                    advice=nearest(guardrail.against, self.controls),
                )

    def _check_reading(self) -> None:
        check_looks(self.looks)
        spending_named(self.spending)
        if self.futility:
            spending_named(self.futility)
            if self.rule != "group-sequential":
                raise SettingError("futility is set, and no looks are planned", advice="add rule = 'group-sequential'")
        _between("power", self.power, 0.5, 1)
        for metric, quantile in self.winsorise.items():
            if not 0.5 <= quantile < 1:
                raise SettingError(
                    f"winsorise {metric} is {quantile}", allowed="a quantile of at least 0.5 and below 1"
                )
        if not 0 <= self.covariate_days <= 366:
            raise SettingError(f"covariate_days is {self.covariate_days}", allowed="0 to 366")
        asked = {
            "rule = 'group-sequential'": self.rule == "group-sequential",
            "winsorise": bool(self.winsorise),
            "covariate_days": self.covariate_days > 0,
        }
        if self.unit != "user" and (named := [name for name, given in asked.items() if given]):
            raise SettingError(
                f"{named[0]} goes with unit = 'user'",
                allowed=f"where each {self.unit} is assigned, users are in several variants",
            )

    def _check_traffic(self) -> None:
        if not 0 < self.traffic <= 1:
            raise SettingError(f"traffic is {self.traffic}", allowed="a share above 0 and at most 1")
        if self.offset is not None and not (self.offset >= 0 and self.offset + self.traffic <= 1 + 1e-12):
            raise SettingError(
                f"offset is {self.offset} and traffic {self.traffic}", allowed="0 <= offset and offset + traffic <= 1"
            )
        check_ramp(self.ramp, self.traffic)
        if self.starts and self.ends and not self.starts < self.ends:
            raise SettingError(
                f"it starts at {self.starts.isoformat()} and ends at {self.ends.isoformat()}",
                allowed="it ends after it starts",
            )
        for unit, variant in self.forced.items():
            if variant not in self.variants:
                raise SettingError(f"'{unit}' is forced into '{variant}'", advice=nearest(variant, self.variants))
        if self.salt.startswith(("layer:", "holdout:")):
            raise SettingError(
                f"the salt is '{self.salt}'", allowed="'layer:' and 'holdout:' begin the salts of others"
            )

    @classmethod
    def parse(cls, table: Mapping[str, Any], catalogue: Mapping[str, OutcomeMetric] = OUTCOMES) -> Self:
        """The experiment that a TOML table or a JSON object describes.

        Raises:
            SettingError: a setting or metric is unknown (the nearest is offered), or a value is not allowed.

        >>> Experiment.parse({"name": "home", "variants": {}, "primry": "ctr"})
        Traceback (most recent call last):
        recloop.errors.SettingError: [experiment] has no setting 'primry'. Did you mean 'primary'? ...
        """
        found = typed(cls, table, "experiment")
        found.check_metrics(catalogue)
        return found

    def check_metrics(self, catalogue: Mapping[str, OutcomeMetric]) -> None:
        """Raises SettingError where a metric is unknown, or the primary one says nothing of a variant that is empty."""
        for metric in (*self.metrics, *self.winsorise):
            if metric not in catalogue:
                raise unknown_metric(metric, catalogue)
        empty = [name for name, variant in self.variants.items() if variant.policy == NONE]
        if empty and catalogue[self.primary].of_items:
            raise SettingError(
                f"variant '{empty[0]}' shows nothing, and {catalogue[self.primary].title} counts what is shown",
                allowed="under such a variant it is nothing by definition",
                advice="choose a primary metric that is not of items, such as orders_per_user or satisfaction",
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON values; ``parse`` turns them back."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @property
    def id(self) -> str:
        """What its decisions are marked with: the name, and from the second version on the version.

        >>> test = Experiment(name="home", variants={"a": Variant(policy="a", control=True), "b": Variant(policy="b")})
        >>> test.id, test.revised(alpha=0.1).id
        ('home', 'home.2')
        """
        return self.name if self.version == 1 else f"{self.name}.{self.version}"

    @property
    def controls(self) -> tuple[str, ...]:
        """The variants that treatments are held against."""
        return tuple(name for name, variant in self.variants.items() if variant.control)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The ids of all metrics that were agreed on, the primary one first."""
        rails = (guardrail.metric for guardrail in self.guardrails)
        return tuple(dict.fromkeys((self.primary, *self.secondaries, *rails)))

    @property
    def treatments(self) -> tuple[str, ...]:
        """The variants that are tried."""
        return tuple(name for name, variant in self.variants.items() if not variant.control)

    @property
    def weights(self) -> dict[str, float]:
        """Variant → weight."""
        return {name: variant.weight for name, variant in self.variants.items()}

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every treatment with every control, of those that have traffic."""
        live = {name for name, variant in self.variants.items() if variant.weight > 0}
        return tuple((t, c) for t in self.treatments for c in self.controls if {t, c} <= live)

    def planned_for(self, *variants: str) -> int:
        """Planned users of some of the variants together."""
        share = sum(self.variants[name].weight for name in variants) / sum(self.weights.values())
        return max(2, round(self.planned_users * share))

    @cached_property
    def effective_salt(self) -> str:
        """The salt that the split hangs on."""
        return self.salt or f"{self.name}.{self.version}"

    @cached_property
    def cuts(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The variants with traffic, by the bytes of their names, and the running sums of their weights."""
        live = sorted((name.encode(), variant.weight) for name, variant in self.variants.items() if variant.weight > 0)
        return tuple(name.decode() for name, _ in live), tuple(accumulate(weight for _, weight in live))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the definition: what was agreed on before the start."""
        said = {
            field.name: getattr(self, field.name)
            for field in msgspec.structs.fields(self)
            if field.name in _FIRST or getattr(self, field.name) != _default(field)
        }
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()

    def revised(self, **changes: Any) -> Self:
        """The next version with some settings changed, a draft again.

        Its salt is new unless one is given, so that users are split anew; its place in the layer is found anew too.

        Raises:
            SettingError: a setting is unknown or not allowed, or the name would change.
        """
        if changes.get("name", self.name) != self.name:
            raise SettingError(f"the revision is named '{changes['name']}'", allowed=f"it keeps the name '{self.name}'")
        fresh = {"version": self.version + 1, "salt": "", "offset": None}
        return type(self).parse({**self.to_dict(), **fresh, **changes})


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise SettingError(f"{name} is {value}", allowed=f"it lies between {low} and {high}")
