"""What a policy is made of, as typed settings: the ``[policy]`` table of a plan and of a release."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from recloop.compose.objectives.config import ObjectivesConfig
from recloop.compose.typed import typed
from recloop.errors import SettingError, nearest


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
        fusion: ``reciprocal-rank`` or ``weighted-score``.
        constant: of reciprocal rank fusion.
        scale: of weighted-score fusion: ``min-max`` or ``z-score``.
        candidates: how many items are taken from each source.
        diversity: 0 (order of relevance) to 1 (as unlike each other as can be), by maximal marginal relevance.
        fallback: the strategy that stands in for one that fails and fills slates that are too short; "" for none.
        budget: seconds that a source may take before the fallback stands in for it; None for any time. It holds where a
            service answers, not in evaluations.
        objectives: what else a slate is to be good for, weighed after fusion and before diversity; None for relevance.
        softmax: draw the slate at random with exact chances instead of sorting it; None for none.

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
    objectives: ObjectivesConfig | None = None
    softmax: SoftmaxConfig | None = None

    def __post_init__(self) -> None:
        if self.softmax is not None and self.diversity > 0:
            raise SettingError(
                f"diversity is {self.diversity} beside softmax",
                allowed="a slate that is drawn is not reordered: its chances would no longer be exact",
                advice="weigh the objective 'diversity' instead, or leave one out",
            )

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


PolicyConfig = SlateConfig | ThompsonConfig
_KINDS: dict[str, type[SlateConfig] | type[ThompsonConfig]] = {"slate": SlateConfig, "thompson": ThompsonConfig}


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
    return typed(_KINDS[kind], {**table, "kind": kind}, where)
