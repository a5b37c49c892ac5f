"""A bandit over slate policies: chances of arms from what was learned, slates from the arm that is drawn."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.bandits import Bandit, Outcomes, draw
from recloop.bandits import State as Learned
from recloop.bandits.slots import explore_places
from recloop.compose.business.effects import Effect
from recloop.compose.catalogue import Catalogue
from recloop.compose.config import BanditConfig, ThompsonConfig
from recloop.compose.features import Features
from recloop.compose.plackett_luce import PROPENSITIES
from recloop.compose.policy import Choices, Policy, State
from recloop.compose.rules import Rules
from recloop.compose.slate import SlatePolicy
from recloop.compose.steps import Move, moves_of
from recloop.compose.within import Within
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.data.splitmix import STEP, mixed, unit
from recloop.errors import SettingError
from recloop.strategies.base import Strategy

HOUR = 3600.0


class BanditPolicy(Policy):
    """A bandit over named arms, each a slate policy.

    The chance of each arm is that of the algorithm (``recloop.bandits``) for the features of the request, the arm is
    drawn with it, and it is what the decision keeps, beside the features: a late reward learns from what was seen.
    Arms come and go: a late reward of an arm that is no longer offered is kept in the state.
    """

    config: ThompsonConfig | BanditConfig

    def __init__(
        self,
        config: ThompsonConfig | BanditConfig,
        arms: Mapping[str, SlatePolicy],
        vectors: NDArray[np.float32] | None = None,
        *,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.bandit: Bandit = config.algorithm
        if not arms:
            raise SettingError(
                f"the policy '{config.__struct_config__.tag}' has no arm",
                advice="name at least one: [policy.arms.a] sources = [...]",
            )
        if not self.bandit.contextual and not config.features.empty:
            raise SettingError(
                f"the algorithm '{self.bandit.name}' does not see features", advice="take lin-ts, or name no features"
            )
        self.config = config
        self.arms = tuple(arms)
        self.policies = tuple(arms.values())
        self.items = self.policies[0].items
        self.features = Features(config.features, vectors)
        self._width = len(config.features.names) if self.bandit.contextual else 0
        self._start = self.bandit.initial(self.arms, features=self._width)
        self.within = Within(config.within, self.items, catalogue, vectors) if config.within.places else None
        self._last: tuple[State, Learned] = ({}, self._start)

    @property
    def asks_outside(self) -> bool:
        """Whether one of its arms does."""
        return any(policy.asks_outside for policy in self.policies)

    @property
    def learns_from(self) -> tuple[tuple[str, ...], float]:
        """The kinds of events that reward a decision, and within how many seconds."""
        return tuple(self.config.reward_kinds), self.config.reward_hours * HOUR

    def initial_state(self) -> State:
        """What the bandit knows before the first outcome."""
        return self._with(self._start.to_dict(), None if self.within is None else self.within.initial())

    @staticmethod
    def _with(state: dict[str, Any], items: State | None) -> State:
        """The state of the arms, with that of items where they are learned."""
        return state if items is None else {**state, "within": items}

    @property
    def learns_by_item(self) -> bool:
        """Whether items are learned."""
        return self.within is not None

    def arm(self, name: str) -> SlatePolicy:
        """The slate policy of an arm."""
        return self.policies[self.arms.index(name)]

    def strategy(self, name: str) -> Strategy | None:
        """A source of any arm by name."""
        found = (policy.strategy(name) for policy in self.policies)
        return next((strategy for strategy in found if strategy is not None), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the order of precedence settles in any arm."""
        named = zip(self.arms, self.policies, strict=True)
        return tuple(f"{arm}: {note}" for arm, policy in named for note in policy.notes)

    def rule_effects(self, histories: Histories, k: int, *, allowed: NDArray[np.bool_] | None = None) -> list[Effect]:
        """Those of every arm, as if it made all these slates, under its name."""
        return [
            replace(effect, rule=f"{arm}: {effect.rule}")
            for arm, policy in zip(self.arms, self.policies, strict=True)
            for effect in policy.rule_effects(histories, k, allowed=allowed)
        ]

    def propensities(self, state: State, histories: Histories) -> NDArray[np.float64]:
        """(n, n_arms) the chance of each arm for each request."""
        return self._chances(state, self._seen(histories), len(histories))

    def _choose(
        self, state: State, histories: Histories, k: int, uniform: NDArray[np.float64], rules: Rules
    ) -> Choices:
        n = len(histories)
        features = self._seen(histories)
        share = self._chances(state, features, n)
        drawn = draw(share, uniform)
        explore, depth = self.config.explore, self._depth(k)
        items, scores = np.full((n, depth), -1, np.int32), np.full((n, depth), -np.inf, np.float32)
        sources, fallbacks = np.full((n, depth), "", dtype=object), np.full(n, "", dtype=object)
        failures: dict[str, str] = {}
        details: list[dict[str, Any]] = [{} if row is None else {"features": row} for row in _rows(features, n)]
        for arm, policy in enumerate(self.policies):
            rows = np.flatnonzero(drawn == arm)
            if len(rows):
                part = policy._choose({}, histories.take(rows), depth, uniform[rows], rules.take(rows))  # noqa: SLF001
                items[rows], scores[rows] = part.rankings.items, part.rankings.scores
                sources[rows], fallbacks[rows] = part.sources, part.fallbacks
                failures |= part.failures
                for row, told in zip(rows.tolist(), part.details or (), strict=False):
                    details[row] |= told
        if self.within is not None:
            drawn_items = self._inside(self.within, state, items, k, uniform, details)
            items, scores, sources = (
                np.take_along_axis(one, drawn_items, axis=1)[:, :k] for one in (items, scores, sources)
            )
        elif depth > k:
            chance = np.stack([_chance(uniform, number) for number in range(2 * k)], axis=1).reshape(n, k, 2)
            places = np.where(items >= 0, np.arange(depth), -1)
            found = explore_places(
                places, k, share=explore.share, most=min(explore.most, k), uniform=chance, first=min(explore.first, k)
            )
            shown, at = found.items >= 0, np.maximum(found.items, 0)
            items = np.where(shown, np.take_along_axis(items, at, axis=1), -1).astype(np.int32)
            scores = np.where(shown, np.take_along_axis(scores, at, axis=1), -np.inf).astype(np.float32)
            sources = np.where(shown, np.take_along_axis(sources, at, axis=1), "").astype(object)
            for told, row in zip(details, found.propensities.tolist(), strict=True):
                told[PROPENSITIES] = row
        return Choices(
            rankings=Rankings(items, scores),
            sources=sources,
            arms=np.array(self.arms, dtype=object)[drawn],
            propensities=share[np.arange(n), drawn],
            allocation=share,
            fallbacks=fallbacks,
            failures=failures,
            details=details if any(details) else None,
        )

    def _depth(self, k: int) -> int:
        """How many places of an arm are asked for, so that k can be filled from them."""
        explored = k + self.config.explore.pool if self.config.explore.most else k
        wanted = explored if self.within is None else self.config.within.pool
        return max(k, min(wanted, len(self.items)))

    def moves(self, histories: Histories, choices: Choices, rules: Rules) -> list[list[Move]]:
        """Where each item stood after each step of the arm, and after what drew some of its places again."""
        arm, shown = self.arm(choices.arms[0]), choices.rankings.items
        steps = arm.steps(histories, self._depth(choices.rankings.k), rules)
        if not np.array_equal(steps[-1][1][:, : shown.shape[1]], shown):
            steps = [*steps[:-1], ("explore" if self.within is None else "within", shown), ("slate", shown)]
        return [
            moves_of(steps, item, source)
            for item, source in zip(shown[shown >= 0].tolist(), choices.sources[0].tolist(), strict=False)
        ]

    def _inside(
        self,
        within: Within,
        state: State,
        items: NDArray[np.int32],
        k: int,
        uniform: NDArray[np.float64],
        details: list[dict[str, Any]],
    ) -> NDArray[np.int64]:
        """(n, depth) the arms' slates in the order that the second level draws; the details tell of it."""
        places = min(self.config.within.places, k)
        chance = np.stack([_chance(uniform, number) for number in range(places)], axis=1)
        found = within.draw(state.get("within", within.initial()), items, chance)
        first = np.take_along_axis(items, found.order, axis=1)[:, :places]
        for told, row, own in zip(details, found.chances.tolist(), first.tolist(), strict=True):
            told[PROPENSITIES] = row + [1.0] * (k - len(row))
            told["within"] = within.told([item for item in own if item >= 0])
        return found.order

    def _seen(self, histories: Histories) -> NDArray[np.float64] | None:
        return self.features.of(histories) if self.bandit.contextual else None

    def _chances(self, state: State, features: NDArray[np.float64] | None, n: int) -> NDArray[np.float64]:
        share = self.bandit.propensities(self._read(state), features)
        return np.broadcast_to(share, (n, share.shape[1]))

    def _read(self, state: State) -> Learned:
        """The state as arrays, with this policy's arms on offer. The last one is kept: it serves many requests."""
        stored, learned = self._last
        if stored is not state:
            learned = self.bandit.offer(Learned.of(state), self.arms)
            if self._width != self.bandit.n_features(learned):
                raise SettingError(
                    f"the state of the policy was learned from {self.bandit.n_features(learned)} features",
                    allowed=f"the policy sees {self._width}",
                    advice="start from initial_state() and replay the outcomes",
                )
            self._last = (state, learned)
        return learned

    def _update(self, state: State, outcomes: Outcomes) -> State:
        after = self.bandit.update(self._read(state), self._whole(outcomes)).to_dict()
        within = self.within
        items = None if within is None else within.update(state.get("within", within.initial()), outcomes)
        return self._with(after, items)

    def _whole(self, outcomes: Outcomes) -> Outcomes:
        """The outcomes that tell what was seen; of the others nothing can be learned."""
        if not self.bandit.contextual:
            return outcomes
        n = len(outcomes)
        features = outcomes.features
        if features is None or features.shape != (n, self._width):
            return Outcomes([], [], np.empty((0, self._width)), np.empty(0))
        rows = np.flatnonzero(np.isfinite(features).all(axis=1))
        return outcomes if len(rows) == n else outcomes.take(rows)


def _chance(uniform: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that are independent of each other, made of one for each request."""
    return unit(mixed(uniform.view(np.uint64) + np.uint64((number + 1) * int(STEP) % 2**64)))


def _rows(features: NDArray[np.float64] | None, n: int) -> list[list[float] | None]:
    return [None] * n if features is None else list(features.tolist())
