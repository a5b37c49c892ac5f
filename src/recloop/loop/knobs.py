"""What a search of policies may turn: the weight of each source and of each objective, and diversity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from recloop.compose import SlateConfig
from recloop.compose.objectives import OBJECTIVES, ObjectivesConfig
from recloop.compose.objectives.catalogue import RELEVANCE
from recloop.errors import SettingError, nearest
from recloop.loop.space import Range, Space

SOURCE, WEIGH, DIVERSITY = "source:", "weigh:", "diversity"
NOTHING = 0.05  # a weight below this is none: a policy with fewer parts is quicker, and is understood
HEAVY = 3.0  # spreads of an objective against one of relevance
DIVERSE = 0.7


@dataclass(frozen=True, eq=False)
class Knobs:
    """The settings of a search, and the policies that they stand for.

    Attributes:
        base: everything of the policy that is not searched.
        sources: strategies that may be mixed.
        objectives: that may be weighed beside relevance.
        diverse: whether slates may be made diverse by maximal marginal relevance.
    """

    base: SlateConfig
    sources: tuple[str, ...]
    objectives: tuple[str, ...] = ()
    diverse: bool = False

    def __post_init__(self) -> None:
        if not self.sources:
            raise SettingError("there is no strategy to compose", advice="name some: --source ease --source popular")
        for name in self.objectives:
            if name not in OBJECTIVES or name == RELEVANCE:
                known = [known for known in OBJECTIVES if known != RELEVANCE]
                raise SettingError(f"there is no objective '{name}' to weigh", advice=nearest(name, known))

    @property
    def space(self) -> Space:
        """Setting → what may be tried.

        >>> list(Knobs(SlateConfig(), ("ease", "popular"), ("novelty",)).space)
        ['source:ease', 'source:popular', 'weigh:novelty']
        """
        found = {f"{SOURCE}{name}": Range(low=0.0, high=1.0) for name in self.sources if len(self.sources) > 1}
        found |= {f"{WEIGH}{name}": Range(low=0.0, high=HEAVY) for name in self.objectives}
        return found | ({DIVERSITY: Range(low=0.0, high=DIVERSE)} if self.diverse else {})

    def policy(self, settings: Mapping[str, Any]) -> SlateConfig:
        """The policy of some settings: weights below 0.05 are none, and sources weigh against the heaviest.

        >>> knobs = Knobs(SlateConfig(), ("ease", "popular"), ("novelty",))
        >>> made = knobs.policy({"source:ease": 0.5, "source:popular": 0.01, "weigh:novelty": 0.2})
        >>> made.weights, made.objectives.weighed
        ({'ease': 1.0}, {'relevance': 1.0, 'novelty': 0.2})
        """
        given = {name: float(settings.get(f"{SOURCE}{name}", 1.0)) for name in self.sources}
        top = max(given.values())
        kept = {name: weight for name, weight in given.items() if weight >= NOTHING} or {
            name: 1.0 for name, weight in given.items() if weight == top
        }
        top = max(kept.values())
        weights = {name: round(weight / top, 3) for name, weight in kept.items()}
        weighed = {name: float(settings.get(f"{WEIGH}{name}", 0.0)) for name in self.objectives}
        weighed = {name: round(weight, 3) for name, weight in weighed.items() if weight >= NOTHING}
        diversity = round(float(settings.get(DIVERSITY, 0.0)), 3)
        return msgspec.structs.replace(
            self.base,
            sources=weights,
            objectives=self._objectives(weighed),
            diversity=diversity if diversity >= NOTHING else 0.0,
        )

    def _objectives(self, weights: Mapping[str, float]) -> ObjectivesConfig | None:
        before = self.base.objectives
        if before is not None:
            return msgspec.structs.replace(before, weights=dict(weights))
        return ObjectivesConfig(weights=dict(weights)) if weights else None

    @property
    def every(self) -> SlateConfig:
        """The policy with every source and every objective: what is learned once, for all trials."""
        before = self.base.objectives or ObjectivesConfig()
        return msgspec.structs.replace(
            self.base,
            sources=dict.fromkeys(self.sources, 1.0),
            objectives=msgspec.structs.replace(before, weights=dict.fromkeys(self.objectives, 1.0)),
            diversity=0.0,
        )

    def alone(self, source: str) -> dict[str, Any]:
        """The settings of one source alone, in the order of its own scores."""
        plain = dict.fromkeys(self.space, 0.0)
        return plain | ({f"{SOURCE}{source}": 1.0} if len(self.sources) > 1 else {})

    def together(self) -> dict[str, Any]:
        """The settings of all sources alike."""
        return {name: 1.0 if name.startswith(SOURCE) else 0.0 for name in self.space}

    def first(self) -> Sequence[dict[str, Any]]:
        """What is tried before the search draws its own: each source alone, all alike, and with all objectives."""
        tried = [self.alone(name) for name in self.sources] if len(self.sources) > 1 else [self.together()]
        if len(self.sources) > 1:
            tried.append(self.together())
        if self.objectives:
            tried.append({name: 0.5 if name.startswith(WEIGH) else value for name, value in self.together().items()})
        return tried
