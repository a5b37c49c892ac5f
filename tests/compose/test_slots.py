"""Typed slots: each with its own eligibility, policy and chance."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.compose.test_policy import DATA, DOWN, UP, Fixed, N

from recloop.bandits import State
from recloop.compose import Catalogue, Choices, Outcomes, Policy, build, policy_config
from recloop.compose.slots import slots_of
from recloop.data.histories import Histories
from recloop.errors import SettingError

ITEMS = pl.DataFrame(
    {
        "item": [f"i{place}" for place in range(N)],
        "category": ["ad"] * 3 + ["film"] * 5,
        "sponsor": [None, "x", "y", None, None, None, None, None],
    }
)
SLATE = {"sources": ["up"], "fallback": ""}
DRAWN = {"kind": "thompson", "arms": {"best": SLATE, "worst": {"sources": ["down"], "fallback": ""}}}
PAGE: dict[str, Any] = {
    "hero": {"size": 1, "policy": SLATE},
    "row": {"size": 2, "where": {"category": {"in": ["film"]}}, "policy": DRAWN},
    "ad": {"size": 1, "where": {"sponsor": {"in": ["x", "y"]}}, "policy": DRAWN},
}
MANY = Histories.of([[]] * 1000, n_items=N)


def made(slots: dict[str, Any] | None = None, **settings: Any) -> Policy:
    strategies = {"up": Fixed(UP).fit(DATA), "down": Fixed(DOWN).fit(DATA)}
    table = {"kind": "slots", "slots": PAGE if slots is None else slots, **settings}
    return build(policy_config(table), strategies, catalogue=Catalogue(ITEMS))


def choose(policy: Policy, k: int = 4, histories: Histories = MANY, **rules: Any) -> Choices:
    return policy.choose(policy.initial_state(), histories, k, np.random.default_rng(3), **rules)


def test_each_slot_shows_what_it_may_and_no_item_stands_twice() -> None:
    choices = choose(made())
    shown = choices.rankings.items
    assert (shown[:, 0] == 7).all()
    assert set(map(tuple, shown[:, 1:3].tolist())) == {(6, 5), (3, 4)}
    assert set(shown[:, 3].tolist()) == {1, 2}
    assert choices.details is not None
    assert slots_of(choices.details[0]) == ["hero", "row", "row", "ad"]


def test_the_chance_of_a_page_is_the_product_and_slots_draw_independently() -> None:
    policy = made()
    assert policy.arms == ("row=best;ad=best", "row=best;ad=worst", "row=worst;ad=best", "row=worst;ad=worst")
    state = {
        "format": 1,
        "slots": {
            "hero": {},
            "row": {"format": 1, "arms": {"best": [2.0, 0.0], "worst": [0.0, 0.0]}},
            "ad": policy.initial_state()["slots"]["ad"],
        },
    }
    choices = policy.choose(state, MANY, 4, np.random.default_rng(1))
    # Beta(3, 1) against Beta(1, 1): the first is the greater with 3/4; Beta(1, 1) against itself 1/2
    expected = np.array([0.375, 0.375, 0.125, 0.125])
    np.testing.assert_allclose(policy.propensities(state, MANY)[0], expected, atol=1e-6)
    count = np.array([(choices.arms == arm).sum() for arm in policy.arms])
    spread = np.sqrt(1000 * expected * (1 - expected))
    assert (abs(count - 1000 * expected) < 4 * spread).all()
    assert choices.details is not None
    for row in range(50):
        own = {slot["slot"]: slot["propensity"] for slot in choices.details[row]["slots"]}
        assert choices.propensities[row] == pytest.approx(np.prod(list(own.values())))


def test_each_slot_learns_its_own_arm_from_the_page() -> None:
    policy = made()
    state = policy.update(policy.initial_state(), Outcomes(["row=best;ad=worst", "row=worst;ad=worst"], [1.0, 0.0]))
    row, ad = (State.of(state["slots"][slot]) for slot in ("row", "ad"))
    for told, pulls, rewards in ((row, [1.0, 1.0], [1.0, 0.0]), (ad, [0.0, 2.0], [0.0, 1.0])):
        assert told.arms == ("best", "worst")
        assert (told.array("pulls").tolist(), told.array("total").tolist()) == (pulls, rewards)
    assert state["slots"]["hero"] == {}
    assert policy.learns_from == ((), 3_600.0)  # type: ignore[attr-defined]


def test_a_slot_learns_from_the_reward_of_its_own_items() -> None:
    policy = made()
    choices = choose(policy)
    assert choices.details is not None
    rows = np.flatnonzero(choices.arms == "row=best;ad=worst")[:3]
    told = [choices.details[row] for row in rows.tolist()]
    # the second item of the row; hero's; row and ad together
    came = Outcomes(choices.arms[rows], np.ones(3), details=told, taken=[[2], [0], [1, 3]])
    state = policy.update(policy.initial_state(), came)
    row, ad = (State.of(state["slots"][slot]) for slot in ("row", "ad"))
    assert (row.array("pulls").tolist(), row.array("total").tolist()) == ([3.0, 0.0], [2.0, 0.0])
    assert (ad.array("pulls").tolist(), ad.array("total").tolist()) == ([0.0, 3.0], [0.0, 1.0])


def test_a_slot_that_was_cut_off_learns_nothing() -> None:
    policy = made()
    choices = choose(policy, 2, MANY.take(np.arange(4)))
    state = policy.update(policy.initial_state(), Outcomes(choices.arms, np.zeros(4), details=choices.details))
    assert State.of(state["slots"]["row"]).array("pulls").sum() == 4
    assert State.of(state["slots"]["ad"]).array("pulls").sum() == 0


def test_a_slot_sees_the_features_and_the_chance_of_its_own_choice() -> None:
    seen = {"context": {"device": ["app"]}}
    slots = {
        "ad": {"size": 1, "policy": {**DRAWN, "kind": "bandit", "algorithm": {"name": "exp3", "rate": 0.5}}},
        "row": {"size": 2, "policy": {**DRAWN, "kind": "bandit", "algorithm": "lin-ucb", "features": seen}},
    }
    policy = made(slots)
    choices = choose(policy, 3, MANY.take(np.arange(1)))
    assert choices.details is not None
    (ad, row) = choices.details[0]["slots"]
    assert (row["features"], ad["propensity"], choices.propensities.tolist()) == ([1.0, 0.0], 0.5, [0.25])
    came = Outcomes(choices.arms, [1.0], None, np.array([0.25]), choices.details, [[1]])
    state = policy.update(policy.initial_state(), came)["slots"]
    at = policy.slots[1].policy.arms.index(row["arm"])  # type: ignore[attr-defined]
    # features, reward, 1: their products
    assert State.of(state["row"]).array("sums")[at].tolist() == [[1, 0, 1, 1], [0, 0, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1]]
    assert sorted(State.of(state["ad"]).array("losses").tolist()) == [0.0, 2.0]  # loss 1 over its own chance, not .25
    blind = policy.update(policy.initial_state(), Outcomes(choices.arms, [1.0], None, np.array([0.25])))
    assert blind == policy.initial_state()  # without what was seen nothing can be learned


def test_a_slot_without_items_gives_way() -> None:
    choices = choose(made(), exclude=[[1, 2]] * 1000)
    assert (choices.rankings.items[:, 3] == -1).all()
    assert choices.details is not None
    assert slots_of(choices.details[0]) == ["hero", "row", "row"]
    first = choose(made(), exclude=[np.arange(3, 8)] * 1000)  # hero takes an ad, the row has no film
    assert choices.details is not None
    assert first.rankings.items[:, :2].min() >= 0
    assert (first.rankings.items[:, 2:] == -1).all()
    assert first.details is not None
    assert slots_of(first.details[0]) == ["hero", "ad"]


def test_k_cuts_the_page_off() -> None:
    policy = made()
    choices = choose(policy, 2)
    assert choices.details is not None
    assert slots_of(choices.details[0]) == ["hero", "row"]
    assert (choices.propensities == 0.25).all()  # the ad slot drew nothing: its first arm stands for it
    assert choose(policy, 9).rankings.items.shape == (1000, 9)


def test_rules_of_a_slot_are_told_under_its_name() -> None:
    ruled = {**SLATE, "measured": 1.0, "rules": [{"do": "hide", "name": "recall", "items": ["i6"]}]}
    policy = made({"hero": {"size": 1, "policy": SLATE}, "row": {"size": 2, "policy": ruled}})
    (effect,) = policy.rule_effects(MANY.take(np.arange(3)), 4)
    assert (effect.rule, effect.slates) == ("row: recall", 3)
    details = choose(policy, 3, MANY.take(np.arange(1))).details
    assert details is not None
    # beside hero's 7 the row shows 5 4 instead of 6 5
    assert details[0]["slots"][1]["rules"]["recall"]["places"] == 2


@pytest.mark.parametrize(
    ("slots", "sentence"),
    [
        ({}, "[policy] has no slot; name at least one: [policy.slots.hero] size = 1."),
        ({"a": {"size": 0, "policy": SLATE}}, "[policy] slots[...].size is"),
        ({"a": {"policy": SLATE}}, "[policy.slots[...]] needs the setting 'size'."),
        (
            {"a": {"size": 1, "policy": {"kind": "slots"}}},
            "[policy.slots.a.policy] kind is 'slots'; a slot holds no slots.",
        ),
        (
            {"a": {"size": 1, "policy": {"source": []}}},
            "[policy.slots.a.policy] has no setting 'source'. Did you mean 'sou",
        ),
        ({"a": {"size": 1, "wher": {}, "policy": {}}}, "[policy.slots.a] has no setting 'wher'. Did you mean 'where'?"),
        (
            {"a": {"size": 1, "where": {"colour": {"in": ["x"]}}, "policy": SLATE}},
            "the slot 'a' names the column 'colour'",
        ),
        (
            {"a": {"size": 1, "where": {"sponsor": {"in": ["z"]}}, "policy": SLATE}},
            "no item is eligible for the slot 'a'",
        ),
    ],
)
def test_wrong_slots(slots: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        made(slots)
    assert str(caught.value).startswith(sentence)


def test_too_many_arms_together() -> None:
    four = {"kind": "thompson", "arms": dict.fromkeys("abcdef", SLATE)}
    with pytest.raises(SettingError) as caught:
        made({name: {"size": 1, "policy": four} for name in "uvwx"})
    assert str(caught.value) == "the slots have 1296 arms together; at most 1024; give them fewer arms."


def test_a_state_of_another_policy() -> None:
    with pytest.raises(SettingError, match="format 1 is wanted, with the state of each slot"):
        made().propensities({"format": 1, "arms": {}}, MANY)
