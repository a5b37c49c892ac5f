"""A bandit over slates, as typed settings."""

from typing import Annotated

import msgspec
from msgspec import Meta

from recloop.bandits import Algorithm, BetaThompson
from recloop.compose.business.settings import Cap, Pin
from recloop.compose.config.slate import SlateConfig
from recloop.compose.features import FeaturesConfig, Scale
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


class WithinConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The first places of the arm's slate go to items that are learned, too: see ``recloop.compose.within``.

    Attributes:
        places: so many; 0 leaves the slate to the arm.
        pool: best items of the arm among which they are drawn.
        features: column of the catalogue → the values that count, or ``{middle, width}`` for a number.
        vectors: how many numbers say what an item is like: along the principal directions of the item vectors.
    """

    places: Annotated[int, Meta(ge=0, le=100)] = 0
    pool: Annotated[int, Meta(ge=1, le=1000)] = 20
    features: dict[str, list[str] | Scale] = {}
    vectors: Annotated[int, Meta(ge=0, le=512)] = 0

    def __post_init__(self) -> None:
        if self.places > self.pool:
            raise SettingError(
                f"within.places is {self.places}, and within.pool is {self.pool}", allowed="at most as many places"
            )

    @property
    def learns_features(self) -> bool:
        """Whether items are known by their features, not each by itself."""
        return bool(self.features or self.vectors)


class ThompsonConfig(msgspec.Struct, frozen=True, kw_only=True, tag="thompson", tag_field="kind"):
    """Thompson sampling over arms, each a slate policy: learns which composition earns rewards.

    Attributes:
        arms: name → slate policy.
        prior_successes, prior_failures: of the Beta prior that every arm starts from.
        floor: the least chance that any arm has, at most one over the number of arms; 0 is none.
        mixture: how fast the share of even draws falls as outcomes come in, n ** -mixture, above 0 and below 1; 0 mixes
            none in. Either keeps chances away from zero, so that the arms' values can be told.
        reward_kinds: kinds of the events that reward the decision that they name; any where empty.
        reward_hours: how long after the decision; it counts then, and teaches nothing before.
    """

    arms: dict[str, SlateConfig]
    prior_successes: Annotated[float, Meta(gt=0.0)] = 1.0
    prior_failures: Annotated[float, Meta(gt=0.0)] = 1.0
    floor: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.0
    mixture: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 1.0

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

    @property
    def within(self) -> WithinConfig:
        """None: slates are those of the arms."""
        return WithinConfig()


class BanditConfig(msgspec.Struct, frozen=True, kw_only=True, tag="bandit", tag_field="kind"):
    """A bandit over arms, each a slate policy: learns which composition earns rewards, for whom and when.

    Attributes:
        arms: name → slate policy: a strategy, a blend, or a vector of weights.
        algorithm: a bandit of ``recloop.bandits`` with its settings; its name alone stands for its defaults.
        features: what of a request its choice depends on, for algorithms with ``lin`` or ``logistic`` in their name.
        explore: places of the arm's slate that may show an item from below it.
        within: first places of the arm's slate that go to items which are learned, too.
        reward_kinds: kinds of the events that reward the decision that they name; any where empty.
        reward_hours: how long after the decision; it counts then, and teaches nothing before.

    >>> arms = {"a": {"sources": ["ease"]}, "b": {"sources": ["popular"]}}
    >>> from recloop.compose.config import policy_config
    >>> policy_config({"kind": "bandit", "algorithm": "ucb1", "arms": arms}).algorithm
    UCB1(floor=0.0, mixture=0.0, discount=1.0, window=0, width=2.0)
    """

    arms: dict[str, SlateConfig]
    algorithm: Algorithm = BetaThompson()
    features: FeaturesConfig = FeaturesConfig()
    explore: ExploreConfig = ExploreConfig()
    within: WithinConfig = WithinConfig()
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 1.0

    def __post_init__(self) -> None:
        if self.explore.most and self.within.places:
            raise SettingError(
                f"explore.most is {self.explore.most} beside within.places = {self.within.places}",
                allowed="one of them: both decide what the places of a slate show",
            )
        drawn = [name for name, arm in self.arms.items() if arm.softmax is not None]
        if drawn and (self.within.places or self.explore.most):
            raise SettingError(
                f"the arm '{drawn[0]}' draws its slates (softmax), and places of them are to be drawn again",
                allowed="one of them: softmax, within or explore",
            )
        ruled = [name for name, arm in self.arms.items() if any(isinstance(rule, Pin | Cap) for rule in arm.rules)]
        if self.within.places and ruled:
            raise SettingError(
                f"the arm '{ruled[0]}' has rules that pin or cap, beside within.places = {self.within.places}",
                allowed="one of them: the places that are drawn again keep neither",
            )
