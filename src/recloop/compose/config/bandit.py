"""A bandit over slates, as typed settings."""

from typing import Annotated

import msgspec
from msgspec import Meta

from recloop.bandits import Algorithm, BetaThompson
from recloop.compose.config.slate import SlateConfig
from recloop.compose.features import FeaturesConfig
from recloop.errors import SettingError


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
    >>> from recloop.compose.config import policy_config
    >>> policy_config({"kind": "bandit", "algorithm": "ucb1", "arms": arms}).algorithm
    UCB1(floor=0.0, mixture=0.0, discount=1.0, window=0, width=2.0)
    """

    arms: dict[str, SlateConfig]
    algorithm: Algorithm = BetaThompson()
    features: FeaturesConfig = FeaturesConfig()
    explore: ExploreConfig = ExploreConfig()
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 24.0
