"""A page of typed slots, each with its own eligibility, policy and chance; no item stands in two of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.bandit import BanditPolicy
from recloop.compose.business.effects import Effect
from recloop.compose.config import SlotsConfig
from recloop.compose.failed import FAILED, together
from recloop.compose.policy import Choices, Outcomes, Policy, State
from recloop.compose.rules import Rules
from recloop.compose.slot_rewards import rewards_of
from recloop.compose.steps import Move
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.data.splitmix import STEP, mixed
from recloop.data.splitmix import unit as uniform_of
from recloop.errors import ConflictError, SettingError
from recloop.strategies.base import Strategy

FORMAT = 1
HOUR = 3600.0
MOST_ARMS = 1024
"""Joint arms: the arms of every slot with those of every other."""


@dataclass(frozen=True, eq=False)
class Slot:
    """One slot.

    Attributes:
        name: what decisions and answers call it.
        size: places.
        eligible: (n_items,) bool.
        policy: what fills it.
    """

    name: str
    size: int
    eligible: NDArray[np.bool_]
    policy: Policy


class SlotsPolicy(Policy):
    """Slots filled one after another, each by its own policy from the items that it may show and no slot before it has.

    An arm of the page is an arm of every slot that draws one: ``hero=new;row=safe``. Slots draw independently, so the
    chance of an arm is the product of theirs; each decision holds the slots with their own arm and chance, too, under
    ``details["slots"]``, in the order of the items. A slot that lacks items gives its places to none: the next slot's
    items move up. The request's ``k`` cuts the page off.

    Built by ``recloop.compose.build`` from a configuration with ``kind = "slots"``. The state is
    ``{"format": 1, "slots": {name: state of its policy}}``; a slot learns from the rewards of its own items, and
    from no decision that did not show it.

    Raises:
        SettingError: no item is eligible for a slot, or there are more joint arms than ``MOST_ARMS``.
        ConflictError: the slots' strategies know different items.
    """

    config: SlotsConfig

    def __init__(self, config: SlotsConfig, slots: Sequence[Slot]) -> None:
        self.config = config
        self.slots = tuple(slots)
        self.items = slots[0].policy.items
        for slot in slots:
            if slot.policy.items != self.items:
                raise ConflictError(
                    f"the slots '{slots[0].name}' and '{slot.name}' know different items",
                    advice="fit their strategies on the same dataset",
                )
            if not slot.eligible.any():
                raise SettingError(f"no item is eligible for the slot '{slot.name}'", advice="ask for less in 'where'")
        many = prod(len(slot.policy.arms) for slot in slots)
        if many > MOST_ARMS:
            raise SettingError(
                f"the slots have {many} arms together", allowed=f"at most {MOST_ARMS}", advice="give them fewer arms"
            )
        self.arms = tuple(self._joint(arms) for arms in product(*(slot.policy.arms for slot in slots)))

    @property
    def learns_from(self) -> tuple[tuple[str, ...], float] | None:
        """The kinds of events that reward a decision, and within how many seconds; None where no slot draws."""
        if not self.learns_by_item:
            return None
        return tuple(self.config.reward_kinds), self.config.reward_hours * HOUR

    @property
    def learns_by_item(self) -> bool:
        """Whether a slot draws: it is rewarded by its own items."""
        return len(self.arms) > 1 or any(slot.policy.learns_by_item for slot in self.slots)

    @property
    def asks_outside(self) -> bool:
        """Whether one of its slots does."""
        return any(slot.policy.asks_outside for slot in self.slots)

    def strategy(self, name: str) -> Strategy | None:
        """A source of any slot by name."""
        found = (slot.policy.strategy(name) for slot in self.slots)
        return next((strategy for strategy in found if strategy is not None), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the order of precedence settles in any slot."""
        return tuple(f"{slot.name}: {note}" for slot in self.slots for note in slot.policy.notes)

    def arm(self, name: str) -> "SlotsPolicy":
        """The page with every slot held to its arm."""
        arms = _apart(name)
        if not arms:
            return self
        return SlotsPolicy(
            self.config,
            [replace(one, policy=one.policy.arm(arms[one.name])) if one.name in arms else one for one in self.slots],
        )

    def moves(self, histories: Histories, choices: Choices, rules: Rules) -> list[list[Move]]:
        """Where each item stood after each step of its own slot."""
        told: list[list[Move]] = []
        taken = np.full((1, 0), -1, np.int32) if rules.taken is None else rules.taken
        for slot, did in zip(self.slots, choices.details[0]["slots"] if choices.details else (), strict=False):
            at = slice(len(told), len(told) + did["items"])
            part = replace(
                choices,
                rankings=Rankings(_wide(choices.rankings.items[:, at], slot.size), choices.rankings.scores[:, at]),
                sources=choices.sources[:, at],
                arms=np.array([did["arm"]], dtype=object),
                details=None,
            )
            allowed = slot.eligible if rules.allowed is None else slot.eligible & rules.allowed
            own = slot.policy.moves(histories, part, replace(rules, allowed=allowed, taken=taken))
            told += own or [[] for _ in range(did["items"])]
            taken = np.concatenate([taken, choices.rankings.items[:, at]], axis=1)
        return told

    def initial_state(self) -> State:
        """That of every slot."""
        return {"format": FORMAT, "slots": {slot.name: slot.policy.initial_state() for slot in self.slots}}

    def rule_effects(self, histories: Histories, k: int, *, allowed: NDArray[np.bool_] | None = None) -> list[Effect]:
        """Those of every slot, each filled as if it stood alone, under its name."""
        found = []
        for slot in self.slots:
            may = slot.eligible if allowed is None else slot.eligible & allowed
            own = slot.policy.rule_effects(histories, min(k, slot.size), allowed=may)
            found += [replace(effect, rule=f"{slot.name}: {effect.rule}") for effect in own]
        return found

    def propensities(self, state: State, histories: Histories) -> NDArray[np.float64]:
        """(n, n_arms) the chance of every joint arm."""
        own = _states(state)
        share = np.ones((len(histories), 1))
        for slot in self.slots:
            part = slot.policy.propensities(own.get(slot.name, slot.policy.initial_state()), histories)
            share = (share[:, :, None] * part[:, None, :]).reshape(len(histories), share.shape[1] * part.shape[1])
        return share

    def _choose(
        self, state: State, histories: Histories, k: int, uniform: NDArray[np.float64], rules: Rules
    ) -> Choices:
        own, n = _states(state), len(histories)
        taken = np.full((n, 0), -1, np.int32) if rules.taken is None else rules.taken
        chosen: list[Choices] = []
        left = k
        for place, slot in enumerate(self.slots):
            size = min(slot.size, left)
            left -= size
            if not size:
                break
            allowed = slot.eligible if rules.allowed is None else slot.eligible & rules.allowed
            part = slot.policy._choose(  # noqa: SLF001
                own.get(slot.name, slot.policy.initial_state()),
                histories,
                size,
                _chance(uniform, place),
                replace(rules, allowed=allowed, taken=taken),
            )
            chosen.append(part)
            taken = np.concatenate([taken, part.rankings.items], axis=1)
        return self._joined(chosen, k, self.propensities(state, histories))

    def _joined(self, chosen: Sequence[Choices], k: int, share: NDArray[np.float64]) -> Choices:
        n = len(share)
        pad = k - sum(part.rankings.k for part in chosen)
        items = np.concatenate([*(part.rankings.items for part in chosen), np.full((n, pad), -1, np.int32)], axis=1)
        scores = np.concatenate(
            [*(part.rankings.scores for part in chosen), np.full((n, pad), -np.inf, np.float32)], axis=1
        )
        sources = np.concatenate([*(part.sources for part in chosen), np.full((n, pad), "", object)], axis=1)
        order = np.argsort(items < 0, axis=1, kind="stable")
        unused = self.slots[len(chosen):]  # fmt: skip
        at = np.zeros(n, np.int64)
        for slot, part in zip(self.slots, [*chosen, *[None] * len(unused)], strict=True):
            places = {arm: place for place, arm in enumerate(slot.policy.arms)}
            drawn = [places[arm] for arm in part.arms] if part is not None else [0] * n
            at = at * len(places) + np.array(drawn, np.int64)
        arms = np.array(self.arms, dtype=object)[at]
        fallbacks = np.full(n, "", dtype=object)
        for part in reversed(chosen):
            fallbacks = np.where(part.fallbacks != "", part.fallbacks, fallbacks)
        return Choices(
            rankings=Rankings(np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1)),
            sources=np.take_along_axis(sources, order, axis=1),
            arms=arms,
            propensities=share[np.arange(n), at],
            allocation=share if len(self.arms) > 1 else None,
            fallbacks=fallbacks,
            failures={name: why for part in chosen for name, why in part.failures.items()},
            details=self._told(chosen, n),
        )

    def _told(self, chosen: Sequence[Choices], n: int) -> list[Mapping[str, Any]]:
        counts = np.stack([(part.rankings.items >= 0).sum(axis=1) for part in chosen], axis=1).tolist()
        rows: list[Mapping[str, Any]] = []
        for row in range(n):
            told = [part.details[row] if part.details is not None else {} for part in chosen]
            slots = [
                {
                    "slot": slot.name,
                    "items": count,
                    "arm": str(part.arms[row]),
                    "propensity": float(part.propensities[row]),
                    **{name: value for name, value in own.items() if name != FAILED},
                }
                for slot, part, count, own in zip(self.slots, chosen, counts[row], told, strict=False)
            ]
            failed = together(told)
            rows.append({"slots": slots, FAILED: failed} if failed else {"slots": slots})
        return rows

    def _update(self, state: State, outcomes: Outcomes) -> State:
        own = _states(state)
        arms = [_apart(arm) for arm in outcomes.arms]
        new = {}
        for slot in self.slots:
            before = own.get(slot.name, slot.policy.initial_state())
            new[slot.name] = before
            if slot.policy.learns_from is not None:
                exact = isinstance(slot.policy, BanditPolicy) and slot.policy.bandit.needs_propensities
                mine = [part.get(slot.name, slot.policy.arms[0]) for part in arms]
                new[slot.name] = slot.policy.update(before, rewards_of(slot.name, outcomes, mine, exact=exact))
        return {"format": FORMAT, "slots": {**own, **new}}

    def _joint(self, arms: Sequence[str]) -> str:
        named = [(slot.name, arm) for slot, arm in zip(self.slots, arms, strict=True) if len(slot.policy.arms) > 1]
        return ";".join(f"{name}={arm}" for name, arm in named)


def slots_of(details: Mapping[str, Any]) -> list[str]:
    """The slot of each item of a decision, in its order, from ``Decision.details``; empty where it has none.

    >>> slots_of({"slots": [{"slot": "hero", "items": 1}, {"slot": "row", "items": 2}]})
    ['hero', 'row', 'row']
    """
    return [slot["slot"] for slot in details.get("slots", ()) for _ in range(slot["items"])]


def _wide(items: NDArray[np.int32], k: int) -> NDArray[np.int32]:
    return np.pad(items, ((0, 0), (0, max(0, k - items.shape[1]))), constant_values=-1)


def _apart(arm: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in arm.split(";") if "=" in part)


def _chance(uniform: NDArray[np.float64], place: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that are independent from slot to slot, made of one for each request."""
    return uniform_of(mixed(uniform.view(np.uint64) + np.uint64((place + 1) * int(STEP) % 2**64)))


def _states(state: State) -> Mapping[str, State]:
    if state.get("format") != FORMAT or not isinstance(state.get("slots"), Mapping):
        raise SettingError(
            f"the state of the policy has the format {state.get('format')!r}, and no slots",
            allowed=f"format {FORMAT} is wanted, with the state of each slot",
            advice="start from initial_state() and replay the outcomes",
        )
    states: Mapping[str, State] = state["slots"]
    return states
