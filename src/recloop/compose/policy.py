"""The contract of a policy: strategies become one slate, with the probability of what was chosen."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.bandits import Outcomes
from recloop.compose.business.effects import Effect
from recloop.compose.catalogue import Catalogue
from recloop.compose.config import PolicyConfig, SlateConfig, SlotsConfig, policy_config
from recloop.compose.rules import Items, Rules
from recloop.compose.steering import Steering
from recloop.compose.steps import Move
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.data.splitmix import STEP, mixed, unit
from recloop.data.vocabulary import Vocabulary
from recloop.errors import ConflictError, SettingError, nearest
from recloop.strategies.base import Strategy
from recloop.types import Slate, SlateItem

__all__ = ["Choices", "Outcomes", "Policy", "PolicyConfig", "State", "build", "policy_config"]

State = Mapping[str, Any]
"""What a policy has learned: a plain value that JSON can hold. Replaying the outcomes gives the same state."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a policy chose for n requests.

    Attributes:
        rankings: (n, k) items and their relevance, in the order to show them.
        sources: (n, k) object, the strategy that each item owes most of its score to; "" in padding.
        arms: (n,) object, the arm that made each slate; "" where the policy has none.
        propensities: (n,) float64, the probability with which that arm was chosen.
        fallbacks: (n,) object, the strategy that stood in for one that failed; "" where none did.
        failures: strategy → why it failed, for the log; empty where all did their work.
        allocation: (n, n_arms) float64, the chance of every arm in the order of the policy's ``arms``; None where it
            has none. It is kept, so that the arms' values can be told although rewards moved the chances.
        details: for each request what else a late reward or an estimator needs, as JSON values; None where nothing.
    """

    rankings: Rankings
    sources: NDArray[np.object_]
    arms: NDArray[np.object_]
    propensities: NDArray[np.float64]
    fallbacks: NDArray[np.object_]
    failures: Mapping[str, str] = field(default_factory=dict)
    allocation: NDArray[np.float64] | None = None
    details: Sequence[Mapping[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.rankings)

    def slates(self, items: Vocabulary) -> list[Slate]:
        """The choices as slates of item ids."""
        ranked = zip(self.rankings.items.tolist(), self.rankings.scores.tolist(), self.sources.tolist(), strict=True)
        return [
            Slate(
                tuple(
                    SlateItem(item=items[item], score=score, source=source)
                    for item, score, source in zip(*row, strict=True)
                    if item >= 0
                )
            )
            for row in ranked
        ]


class Policy(ABC):
    """Turns strategies into one slate, and knows the propensity of what it showed.

    A policy is a value: it holds its settings and its strategies and remembers nothing. What it learns is the state,
    which goes in and comes out. A new policy writes ``propensities`` and ``_choose``, and ``_update`` where it learns.
    """

    config: PolicyConfig
    items: Vocabulary
    arms: tuple[str, ...] = ("",)

    def initial_state(self) -> State:
        """What the policy knows before the first outcome."""
        return {}

    @property
    def asks_outside(self) -> bool:
        """Whether a slate costs calls to somebody else, so that none is made merely to explain."""
        return False

    @property
    def learns_from(self) -> tuple[tuple[str, ...], float] | None:
        """The kinds of events that reward a decision, any where empty, and within how many seconds; None learns not."""
        return None

    @property
    def learns_by_item(self) -> bool:
        """Whether it must know which items of a slate were rewarded: decisions then count once their window is over."""
        return False

    def arm(self, name: str) -> "Policy":  # noqa: ARG002
        """What makes the slates of an arm: the policy itself where it has none."""
        return self

    def strategy(self, name: str) -> Strategy | None:  # noqa: ARG002
        """A source of its slates by name; None where it has none of that name, or does not tell."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """Contradictions between its business rules that precedence settles, as sentences."""
        return ()

    def moves(self, histories: Histories, choices: "Choices", rules: Rules) -> list[list[Move]]:  # noqa: ARG002
        """Where each item of a slate stood after each step of the policy; empty where it does not tell.

        Args:
            histories: one row.
            choices: what it chose.
            rules: what it had to keep to.
        """
        return []

    def rule_effects(
        self,
        histories: Histories,  # noqa: ARG002
        k: int,  # noqa: ARG002
        *,
        allowed: NDArray[np.bool_] | None = None,  # noqa: ARG002
    ) -> list[Effect]:
        """What each of its business rules does to the slates of these requests; empty where it has none."""
        return []

    def propensities(self, state: State, histories: Histories) -> NDArray[np.float64]:  # noqa: ARG002
        """(n, n_arms) float64, the probability with which each request gets each arm; rows sum to 1."""
        return np.ones((len(histories), 1))

    @abstractmethod
    def _choose(
        self, state: State, histories: Histories, k: int, uniform: NDArray[np.float64], rules: Rules
    ) -> Choices:
        """Choices; ``uniform`` (n,) in [0, 1) is the only randomness, one number per request."""

    def _update(self, state: State, outcomes: Outcomes) -> State:  # noqa: ARG002
        """The new state. A policy that does not learn keeps the old one."""
        return state

    def choose(
        self,
        state: State,
        histories: Histories,
        k: int,
        rng: np.random.Generator,
        *,
        allowed: NDArray[np.bool_] | None = None,
        exclude: Sequence[Items] | None = None,
        candidates: Sequence[Items | None] | None = None,
        steering: Steering | None = None,
        hide_seen: bool = True,
    ) -> Choices:
        """One slate per request. The size of a batch changes nothing.

        Args:
            state: from ``initial_state`` or ``update``.
            histories: n requests.
            k: places of a slate; where fewer items may be shown, the rest is padding.
            rng: draws one number per request.
            allowed: (n_items,) bool, what is available.
            exclude: per request, item indices never to show.
            candidates: per request, the only item indices that may be shown, None for no limit.
            steering: what the wishes of each request do, from ``Steerer.steering``.
            hide_seen: leave out the items of each history.

        Raises:
            SettingError: ``k`` or a rule does not fit the requests, or the state is not one of this policy.
        """
        rules = Rules(hide_seen, allowed, exclude, candidates, steering, effects=True)
        self._check(histories, k, rules)
        return self._choose(state, histories, k, rng.random(len(histories)), rules)

    def update(self, state: State, outcomes: Outcomes) -> State:
        """The state after outcomes; the old one is left as it was. The order of outcomes does not matter.

        Raises:
            SettingError: a reward is not in [0, 1], or arms and rewards differ in number.
        """
        rewards = np.asarray(outcomes.rewards, dtype=np.float64)
        if rewards.shape != (len(outcomes.arms),):
            raise SettingError(f"{len(outcomes.arms)} arms came with {rewards.size} rewards", allowed="one each")
        wrong = rewards[~((rewards >= 0.0) & (rewards <= 1.0))]
        if len(wrong):
            raise SettingError(f"a reward is {wrong[0]}", allowed="rewards are numbers between 0 and 1")
        return self._update(state, outcomes)

    def rank(
        self,
        histories: Histories,
        k: int,
        *,
        hide_seen: bool = True,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Rankings:
        """The slates of the policy before it has learned anything, so that it is judged as a strategy is.

        Arms are drawn by the request's key, so the same request gets the same slate.
        """
        rules = Rules(hide_seen=hide_seen, allowed=allowed)
        self._check(histories, k, rules)
        return self._choose(self.initial_state(), histories, k, unit(mixed(histories.keys + STEP)), rules).rankings

    def _check(self, histories: Histories, k: int, rules: Rules) -> None:
        if k < 1:
            raise SettingError(f"k is {k}", allowed="k must be at least 1")
        if histories.n_items != len(self.items):
            raise SettingError(
                f"the histories index {histories.n_items} items, the policy knows {len(self.items)}",
                advice="use histories of the dataset that its strategies were fitted on",
            )
        rules.check(len(histories), histories.n_items)


def build(
    config: PolicyConfig,
    strategies: Mapping[str, Strategy],
    vectors: NDArray[np.float32] | None = None,
    *,
    catalogue: Catalogue | None = None,
) -> Policy:
    """The policy that a configuration describes.

    Args:
        config: what it is made of.
        strategies: fitted strategies by name, all over the same items.
        vectors: (n_items, d) for diversity; may be None where no slate is diversified.
        catalogue: what rules, slots, categories and objectives look at, and trained fusions; may be None where there
            are none.

    Raises:
        SettingError: a source or the fallback is not among the strategies (the nearest is offered), or diversity is
            wanted and there are no vectors.
        ConflictError: a strategy is not fitted, or strategies know different items.

    >>> import polars as pl
    >>> from recloop.compose import SlateConfig
    >>> from recloop.data.dataset import Dataset
    >>> from recloop.strategies.random import Random
    >>> log = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"]})
    >>> strategies = {"random": Random().fit(Dataset.of(log))}
    >>> policy = build(SlateConfig(sources=["random"], fallback=""), strategies)
    >>> choices = policy.choose({}, Histories.of([[0]], n_items=2), 3, np.random.default_rng(1))
    >>> choices.slates(policy.items)[0].ids, choices.sources[0].tolist()
    (('y',), ['random', '', ''])
    """
    from recloop.compose.bandit import BanditPolicy
    from recloop.compose.slate import SlatePolicy
    from recloop.compose.slots import Slot, SlotsPolicy

    if isinstance(config, SlotsConfig):
        if catalogue is None:
            raise SettingError(
                "the policy has slots, and no catalogue is known", advice="build it with catalogue=Catalogue(items)"
            )
        slots = [
            Slot(name, slot.size, catalogue.selected([], slot.where, f"the slot '{name}'"),
                 build(slot.config, strategies, vectors, catalogue=catalogue))
            for name, slot in config.slots.items()
        ]  # fmt: skip
        return SlotsPolicy(config, slots)
    if isinstance(config, SlateConfig):
        return SlatePolicy(config, strategies, vectors, catalogue=catalogue)
    arms = {name: SlatePolicy(arm, strategies, vectors, catalogue=catalogue) for name, arm in config.arms.items()}
    return BanditPolicy(config, arms, vectors, catalogue=catalogue)


def strategy_of(name: str, role: str, strategies: Mapping[str, Strategy]) -> Strategy:
    """A fitted strategy by name, or the error that says in which role it is missing."""
    if name not in strategies:
        raise SettingError(
            f"the policy names '{name}' as {role}, which is not among the trained strategies",
            advice=nearest(name, strategies),
        )
    if strategies[name].items is None:
        raise ConflictError(f"strategy '{name}' is not fitted", advice="call fit(dataset) or load(folder) first")
    return strategies[name]
