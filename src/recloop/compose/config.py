"""What a policy is made of, as typed settings: the ``[policy]`` table of a plan and of a release."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from recloop.bandits import Algorithm, BetaThompson
from recloop.compose.features import FeaturesConfig
from recloop.compose.typed import typed
from recloop.errors import SettingError, nearest


class SlateConfig(msgspec.Struct, frozen=True, kw_only=True, tag="slate", tag_field="kind"):
    """One slate from one or several strategies.

    Attributes:
        sources: strategy → weight, or a list of strategies that weigh alike. One source is a control policy.
        fusion: ``reciprocal-rank`` or ``weighted-score``.
        constant: of reciprocal rank fusion.
        scale: of weighted-score fusion: ``min-max`` or ``z-score``.
        candidates: how many items are taken from each source.
        diversity: 0 (order of relevance) to 1 (as unlike each other as can be), by maximal marginal relevance.
        fallback: the strategy that stands in for one that fails and fills slates that are too short; "" for none.
        budget: seconds that a source may take before the fallback stands in for it; None for any time. It holds where a
            service answers, not in evaluations.

    >>> SlateConfig(sources=["ease", "popular"]).weights
    {'ease': 1.0, 'popular': 1.0}
    """

    sources: dict[str, float] | list[str] = msgspec.field(default_factory=dict)
    fusion: Literal["reciprocal-rank", "weighted-score"] = "reciprocal-rank"
    constant: Annotated[float, Meta(ge=0.0)] = 60.0
    scale: Literal["min-max", "z-score"] = "min-max"
    candidates: Annotated[int, Meta(ge=1)] = 200
    diversity: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    fallback: str = "popular"
    budget: Annotated[float, Meta(gt=0.0)] | None = None

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


class BanditConfig(msgspec.Struct, frozen=True, kw_only=True, tag="bandit", tag_field="kind"):
    """A bandit over arms, each a slate policy: learns which composition earns rewards, for whom and when.

    Attributes:
        arms: name → slate policy: a strategy, a blend, or a vector of weights.
        algorithm: a bandit of ``recloop.bandits`` with its settings; its name alone stands for its defaults.
        features: what of a request its choice depends on, for algorithms with ``lin`` or ``logistic`` in their name.
        reward_kinds: kinds of the events that reward the decision that they name; any where empty.
        reward_hours: how long after the decision; without such an event it counts as a failure then.

    >>> arms = {"a": {"sources": ["ease"]}, "b": {"sources": ["popular"]}}
    >>> policy_config({"kind": "bandit", "algorithm": "ucb1", "arms": arms}).algorithm
    UCB1(floor=0.0, mixture=0.0, discount=1.0, window=0, width=2.0)
    """

    arms: dict[str, SlateConfig]
    algorithm: Algorithm = BetaThompson()
    features: FeaturesConfig = FeaturesConfig()
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 24.0


PolicyConfig = SlateConfig | ThompsonConfig | BanditConfig
_KINDS: dict[str, type[SlateConfig] | type[ThompsonConfig] | type[BanditConfig]] = {
    "slate": SlateConfig,
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
    return typed(_KINDS[kind], {**table, "kind": kind}, where)
