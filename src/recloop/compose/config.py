"""What a policy is made of, as typed settings: the ``[policy]`` table of a plan and of a release."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from recloop.bandits import Algorithm, BetaThompson
from recloop.compose.business.settings import AnyRule, Cap, columns
from recloop.compose.diversity.settings import Diversifier
from recloop.compose.features import FeaturesConfig
from recloop.compose.fusion.norms import Calibration
from recloop.compose.objectives.config import ObjectivesConfig
from recloop.compose.typed import typed
from recloop.errors import SettingError, nearest
from recloop.types import ItemCondition


class SoftmaxConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Slates drawn by the Plackett-Luce model instead of sorted: every decision holds the chance of each place.

    Attributes:
        temperature: near 0 the order of the scores, great: any order alike; in spreads of a request's scores.
        depth: only so many best candidates can be drawn; 0 for all.
    """

    temperature: Annotated[float, Meta(gt=0.0)] = 0.2
    depth: Annotated[int, Meta(ge=0)] = 50


class SlateConfig(msgspec.Struct, frozen=True, kw_only=True, tag="slate", tag_field="kind"):
    """One slate from one or several strategies.

    Attributes:
        sources: strategy → weight, or a list of strategies that weigh alike. One source is a control policy.
        fusion: ``reciprocal-rank``, ``weighted-score`` (CombSUM), ``comb-mnz``, ``cascade`` (the ranker orders what the
            sources retrieve), ``quotas`` (so many places for each source) or ``learned`` (trees, extra ``blend``).
        constant: of reciprocal rank fusion.
        scale: of weighted-score and comb-mnz: ``min-max``, ``z-score``, ``rank`` or ``calibrated``.
        calibration: source → what its scores mean; a run learns it where the scale is ``calibrated``.
        ranker: the strategy that ranks in a cascade.
        quotas: source → places of every Σ.
        model: the name of a trained fusion; a run trains it where the fusion is ``learned``.
        candidates: how many items are taken from each source.
        diversity: 0 (order of relevance) to 1 (as unlike each other as can be), by maximal marginal relevance.
        diversifier: another way to be diverse; None for none.
        rules: business rules, see ``recloop.compose.business``.
        conflicts: what happens where rules contradict: ``refuse`` them, or let ``precedence`` decide.
        measured: share of the requests for which each rule's effect is measured, by the slates without it.
        fallback: the strategy that stands in for one that fails and fills slates that are too short; "" for none.
        budget: seconds that a source may take before the fallback stands in for it; None for any time. It holds where a
            service answers, not in evaluations.
        objectives: what else a slate is to be good for, weighed after fusion and before diversity; None for relevance.
        softmax: draw the slate at random with exact chances instead of sorting it; None for none.

    >>> SlateConfig(sources=["ease", "popular"]).weights
    {'ease': 1.0, 'popular': 1.0}
    """

    sources: dict[str, float] | list[str] = msgspec.field(default_factory=dict)
    fusion: Literal["reciprocal-rank", "weighted-score", "comb-mnz", "cascade", "quotas", "learned"] = "reciprocal-rank"
    constant: Annotated[float, Meta(ge=0.0)] = 60.0
    scale: Literal["min-max", "z-score", "rank", "calibrated"] = "min-max"
    calibration: dict[str, Calibration] = {}
    ranker: str = ""
    quotas: dict[str, Annotated[int, Meta(ge=0)]] = {}
    model: str = ""
    candidates: Annotated[int, Meta(ge=1)] = 200
    diversity: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    diversifier: Diversifier | None = None
    rules: list[AnyRule] = []
    conflicts: Literal["refuse", "precedence"] = "refuse"
    measured: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.1
    fallback: str = "popular"
    budget: Annotated[float, Meta(gt=0.0)] | None = None
    objectives: ObjectivesConfig | None = None
    softmax: SoftmaxConfig | None = None

    def __post_init__(self) -> None:
        if self.softmax is not None:
            self._check_softmax()
        if self.diversity > 0 and self.diversifier is not None:
            raise SettingError(
                f"diversity is {self.diversity} beside a diversifier",
                allowed="one of them: diversity is short for the diversifier mmr",
            )
        if self.fusion == "quotas" and self.diversified is not None:
            raise SettingError(
                "places are shared by quotas, and the slate is to be diversified",
                allowed="one of them: a slate in another order keeps no quotas",
            )
        if (self.fusion == "cascade") != bool(self.ranker):
            raise SettingError(
                f"fusion is '{self.fusion}' and the ranker is '{self.ranker}'",
                allowed="a cascade needs a ranker, and nothing else has one",
            )
        if (self.fusion == "quotas") != bool(self.quotas):
            raise SettingError(
                f"fusion is '{self.fusion}' and the quotas are {self.quotas}",
                allowed="quotas belong to the fusion 'quotas': quotas = {ease = 6, popular = 4}",
            )
        if self.quotas and (not sum(self.quotas.values()) or set(self.quotas) != set(self.sources)):
            raise SettingError(
                f"the quotas {self.quotas} do not fit the sources {', '.join(self.sources)}",
                allowed="one whole number for each source, of which at least one is above 0",
            )

    def _check_softmax(self) -> None:
        """A slate that is drawn is not put into another order afterwards: its chances would not be exact."""
        other = (
            f"diversity is {self.diversity}"
            if self.diversity > 0
            else "a diversifier stands"
            if self.diversifier is not None
            else "the fusion 'quotas' stands"
            if self.fusion == "quotas"
            else "a rule that caps stands"
            if any(isinstance(rule, Cap) for rule in self.rules)
            else ""
        )
        if other:
            raise SettingError(
                f"{other} beside softmax",
                allowed="a slate that is drawn is not reordered: its chances would no longer be exact",
                advice="weigh the objective 'diversity' instead, or leave one out",
            )

    @property
    def diversified(self) -> Diversifier | None:
        """How slates are diversified, whichever way it was written; None where they are not."""
        if self.diversifier is not None:
            return self.diversifier if self.diversifier.strength > 0 or self.diversifier.kind == "pm2" else None
        return Diversifier(kind="mmr", strength=self.diversity) if self.diversity > 0 else None

    @property
    def calibrated(self) -> bool:
        """Whether scores are fused as chances."""
        return self.scale == "calibrated" and self.fusion in ("weighted-score", "comb-mnz")

    @property
    def asked(self) -> list[str]:
        """Every strategy that it asks, by name: sources, ranker and fallback."""
        return list(dict.fromkeys([*self.sources, *filter(None, (self.ranker, self.fallback))]))

    @property
    def weights(self) -> dict[str, float]:
        """Strategy → weight, whichever way ``sources`` was written.

        Raises:
            SettingError: no source, a source named twice, a negative weight, or weights that sum to zero.
        """
        if not self.sources:
            raise SettingError("the policy has no source", advice='name strategies: sources = ["ease", "transitions"]')
        if isinstance(self.sources, dict):
            weights = {name: float(weight) for name, weight in self.sources.items()}
        else:
            weights = dict.fromkeys(self.sources, 1.0)
            if len(weights) < len(self.sources):
                twice = next(name for name in self.sources if self.sources.count(name) > 1)
                raise SettingError(
                    f"the policy names the source '{twice}' twice", advice=f"weigh it: sources = {{{twice} = 2.0}}"
                )
        if not all(0.0 <= weight < float("inf") for weight in weights.values()) or sum(weights.values()) <= 0.0:
            raise SettingError(
                f"the weights of the policy's sources are {weights}",
                allowed="weights are numbers of at least 0, of which at least one is above 0",
            )
        return weights


class ExploreConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A few places of each slate that may show an item from below it: see ``recloop.bandits.slots.explore_places``.

    Attributes:
        most: places of a slate that are explored, at most; 0 explores none.
        share: chance of each place.
        first: places at the top that are never explored.
        pool: items below the slate that may be shown.
    """

    most: Annotated[int, Meta(ge=0, le=1000)] = 0
    share: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.1
    first: Annotated[int, Meta(ge=0)] = 1
    pool: Annotated[int, Meta(ge=1, le=1000)] = 20


class ThompsonConfig(msgspec.Struct, frozen=True, kw_only=True, tag="thompson", tag_field="kind"):
    """Thompson sampling over arms, each a slate policy: learns which composition earns rewards.

    Attributes:
        arms: name → slate policy.
        prior_successes, prior_failures: of the Beta prior that every arm starts from.
        floor: the least chance that any arm has, at most one over the number of arms; 0 is none.
        mixture: how fast the share of even draws falls as outcomes come in, n ** -mixture, above 0 and below 1; 0 mixes
            none in. Either keeps chances away from zero, so that the arms' values can be told.
        reward_kinds: kinds of the events that reward the decision that they name; any where empty.
        reward_hours: how long after the decision; without such an event it counts as a failure then.
    """

    arms: dict[str, SlateConfig]
    prior_successes: Annotated[float, Meta(gt=0.0)] = 1.0
    prior_failures: Annotated[float, Meta(gt=0.0)] = 1.0
    floor: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.0
    mixture: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 24.0

    def __post_init__(self) -> None:
        if self.floor * len(self.arms) > 1:
            raise SettingError(
                f"the floor is {self.floor} for {len(self.arms)} arms", allowed=f"at most 1/{len(self.arms)}"
            )

    @property
    def algorithm(self) -> BetaThompson:
        """The bandit that this is another name for."""
        return BetaThompson(
            prior="fixed",
            prior_successes=self.prior_successes,
            prior_failures=self.prior_failures,
            floor=self.floor,
            mixture=self.mixture,
        )

    @property
    def features(self) -> FeaturesConfig:
        """None: every request is alike."""
        return FeaturesConfig()

    @property
    def explore(self) -> ExploreConfig:
        """None: slates are those of the arms."""
        return ExploreConfig()


class BanditConfig(msgspec.Struct, frozen=True, kw_only=True, tag="bandit", tag_field="kind"):
    """A bandit over arms, each a slate policy: learns which composition earns rewards, for whom and when.

    Attributes:
        arms: name → slate policy: a strategy, a blend, or a vector of weights.
        algorithm: a bandit of ``recloop.bandits`` with its settings; its name alone stands for its defaults.
        features: what of a request its choice depends on, for algorithms with ``lin`` or ``logistic`` in their name.
        explore: places of the arm's slate that may show an item from below it.
        reward_kinds: kinds of the events that reward the decision that they name; any where empty.
        reward_hours: how long after the decision; without such an event it counts as a failure then.

    >>> arms = {"a": {"sources": ["ease"]}, "b": {"sources": ["popular"]}}
    >>> policy_config({"kind": "bandit", "algorithm": "ucb1", "arms": arms}).algorithm
    UCB1(floor=0.0, mixture=0.0, discount=1.0, window=0, width=2.0)
    """

    arms: dict[str, SlateConfig]
    algorithm: Algorithm = BetaThompson()
    features: FeaturesConfig = FeaturesConfig()
    explore: ExploreConfig = ExploreConfig()
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 24.0


class SlotConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of a page: so many places of a kind, with a policy of its own.

    Attributes:
        size: places.
        where: what its items must be, by column of the catalogue; any item where empty.
        policy: what fills it: a table of any kind but ``slots``.
    """

    size: Annotated[int, Meta(ge=1, le=1000)]
    where: dict[str, ItemCondition] = {}
    policy: dict[str, Any]

    @property
    def config(self) -> "PolicyConfig":
        """The settings of its policy."""
        return policy_config(self.policy)


class SlotsConfig(msgspec.Struct, frozen=True, kw_only=True, tag="slots", tag_field="kind"):
    """A page of typed slots: hero, row, ad …

    Slots are filled in the order in which they are written; no item stands in two of them.

    Attributes:
        slots: name → slot.
        reward_kinds: kinds of the events that reward the decision that they name; any where empty.
        reward_hours: how long after the decision; without such an event it counts as a failure then.

    >>> page = policy_config({"kind": "slots", "slots": {"hero": {"size": 1, "policy": {"sources": ["ease"]}}}})
    >>> page.slots["hero"].config.sources
    ['ease']
    """

    slots: dict[Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")], SlotConfig]
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 24.0


PolicyConfig = SlateConfig | ThompsonConfig | BanditConfig | SlotsConfig
_KINDS: dict[str, type[SlateConfig] | type[ThompsonConfig] | type[BanditConfig] | type[SlotsConfig]] = {
    "slate": SlateConfig,
    "slots": SlotsConfig,
    "thompson": ThompsonConfig,
    "bandit": BanditConfig,
}


def policy_config(table: Mapping[str, Any], where: str = "policy") -> PolicyConfig:
    """The typed configuration of a policy from a plain table; ``kind`` is ``slate`` where it is not said.

    Raises:
        SettingError: an unknown kind or key, or a wrong value.

    >>> policy_config({"sources": ["ease"], "diversity": 0.2}).diversity
    0.2
    >>> policy_config({"divesity": 0.2})
    Traceback (most recent call last):
    recloop.errors.SettingError: [policy] has no setting 'divesity'. Did you mean 'diversity'? Valid: ...
    """
    kind = table.get("kind", "slate")
    if kind not in _KINDS:
        raise SettingError(f"[{where}] kind is {kind!r}", advice=nearest(str(kind), _KINDS))
    if isinstance(table.get("algorithm"), str):
        table = {**table, "algorithm": {"name": table["algorithm"]}}
    config = typed(_KINDS[kind], {**table, "kind": kind}, where)
    return _with_slots(config, where) if isinstance(config, SlotsConfig) else config


def _with_slots(config: SlotsConfig, where: str) -> SlotsConfig:
    """The same with the settings of every slot checked and written out."""
    if not config.slots:
        raise SettingError(f"[{where}] has no slot", advice=f"name at least one: [{where}.slots.hero] size = 1")
    slots = {}
    for name, slot in config.slots.items():
        place = f"{where}.slots.{name}.policy"
        if slot.policy.get("kind") == "slots":
            raise SettingError(f"[{place}] kind is 'slots'", allowed="a slot holds no slots")
        slots[name] = msgspec.structs.replace(slot, policy=msgspec.to_builtins(policy_config(slot.policy, place)))
    return msgspec.structs.replace(config, slots=slots)


def slates_of(config: PolicyConfig, where: str = "policy") -> dict[str, SlateConfig]:
    """Every slate that a policy is made of, by its table: itself, its arms, and those of its slots.

    >>> list(slates_of(policy_config({"kind": "thompson", "arms": {"a": {"sources": ["ease"]}}})))
    ['policy.arms.a']
    """
    if isinstance(config, SlateConfig):
        return {where: config}
    if isinstance(config, SlotsConfig):
        parts = [slates_of(slot.config, f"{where}.slots.{name}.policy") for name, slot in config.slots.items()]
        return {place: slate for part in parts for place, slate in part.items()}
    return {f"{where}.arms.{name}": arm for name, arm in config.arms.items()}


def columns_of(config: PolicyConfig) -> set[str]:
    """The columns of the catalogue that a policy's rules and slots read."""
    read = {name for slate in slates_of(config).values() for rule in slate.rules for name in columns(rule)}
    if isinstance(config, SlotsConfig):
        read |= {name for slot in config.slots.values() for name in slot.where}
    return read
