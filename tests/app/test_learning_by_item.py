"""From a clicked item to what a slot, and the second level of a bandit, make of it: through the store."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.app.learning import fold
from recloop.bandits import State
from recloop.compose import Catalogue, Policy, build, policy_config
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.store import Store
from recloop.store.outcomes import Rewarded
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Decision, Event, SlateItem

ARMS = {"left": {"sources": ["popular"], "fallback": ""}, "right": {"sources": ["random"], "fallback": ""}}
DRAWS = {"kind": "bandit", "algorithm": {"name": "exp3", "rate": 0.1}, "arms": ARMS}
PAGE = {"kind": "slots", "slots": {"hero": {"size": 1, "policy": DRAWS}, "row": {"size": 2, "policy": DRAWS}}}
ITEMS = {"kind": "bandit", "arms": ARMS, "within": {"places": 3}}
N, WINDOW = 60, 86_400.0


def made(table: dict[str, Any]) -> Policy:
    log = pl.DataFrame({"user": [f"u{n}" for n in range(40)], "item": [f"i{n % 8}" for n in range(40)]})
    shop = Dataset.of(log)
    strategies = {"popular": Popular().fit(shop), "random": Random().fit(shop)}
    return build(policy_config(table), strategies, catalogue=Catalogue(shop.items))


def learned(policy: Policy, url: Path, place: int) -> tuple[Any, list[Decision]]:
    """The state after a click on one place of half of the pages, and the decisions."""
    histories = Histories.of([[]] * N, n_items=len(policy.items))
    choices = policy.choose(policy.initial_state(), histories, 3, np.random.default_rng(1))
    now = [0.0]
    decisions = [
        Decision(f"d{row}", "ann", 0.0, tuple(SlateItem(policy.items[item], 1.0) for item in shown), policy="learns",
                 release="one", arm=str(choices.arms[row]), propensity=float(choices.propensities[row]),
                 details=(choices.details or [{}] * N)[row])
        for row, shown in enumerate(choices.rankings.items.tolist())
    ]  # fmt: skip
    assert policy.learns_from is not None
    rewarded = Rewarded(*policy.learns_from, policy.learns_by_item)
    with Store(url, clock=lambda: now[0]) as store:
        store.append_decisions(decisions)
        store.append_events([
            Event("ann", one.items[place].item, "click", 5.0, id=f"e{row}", decision=one.id)
            for row, one in enumerate(decisions) if row % 2
        ])  # fmt: skip
        assert store.outcomes.follow("one", "learns", rewarded, partial(fold, policy)) is None
        now[0] = WINDOW + 1
        state = store.outcomes.follow("one", "learns", rewarded, partial(fold, policy))
        assert state == fold(policy, None, store.outcomes.read("one", "learns", rewarded))
    return state, decisions


@pytest.mark.parametrize(("place", "slot"), [(0, "hero"), (2, "row")])
def test_a_click_rewards_the_slot_that_showed_the_item(tmp_path: Path, place: int, slot: str) -> None:
    state, decisions = learned(made(PAGE), tmp_path / "store.db", place)
    for name in ("hero", "row"):
        losses = dict.fromkeys(ARMS, 0.0)
        for row, one in enumerate(decisions):
            own = next(told for told in one.details["slots"] if told["slot"] == name)
            losses[own["arm"]] += (1.0 - (name == slot and row % 2)) / own["propensity"]
        learned_losses = State.of(state["slots"][name])
        assert dict(zip(learned_losses.arms, learned_losses.array("losses"), strict=True)) == pytest.approx(losses)


def test_a_click_counts_for_its_item_and_what_stood_above_it(tmp_path: Path) -> None:
    state, decisions = learned(made(ITEMS), tmp_path / "store.db", 1)
    expected: dict[str, list[float]] = {}
    for row, one in enumerate(decisions):
        for place, item in enumerate(one.items):
            if row % 2 == 0 or place < 2:
                expected.setdefault(item.item, [0.0, 0.0])[0 if row % 2 and place == 1 else 1] += 1
    assert state["within"]["items"] == expected
