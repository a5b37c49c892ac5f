"""A bandit over slate policies: what its arms tell goes on."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.compose.test_policy import DATA, DOWN, UP, Fixed, N

from recloop.compose import Catalogue, Choices, Outcomes, Policy, build, policy_config
from recloop.data.histories import Histories
from recloop.errors import SettingError

RULED = {
    "sources": ["up"],
    "fallback": "",
    "measured": 1.0,
    "conflicts": "precedence",
    "rules": [{"do": "hide", "name": "recall", "items": ["i7"]}, {"do": "pin", "name": "ad", "items": ["i7"]}],
}
ARMS = {"ruled": RULED, "free": {"sources": ["down"], "fallback": ""}}
MANY = Histories.of([[]] * 200, n_items=N)


def made(algorithm: Any = "beta", arms: dict[str, Any] | None = None, **settings: Any) -> Policy:
    strategies = {"up": Fixed(UP).fit(DATA), "down": Fixed(DOWN).fit(DATA)}
    table = {"kind": "bandit", "algorithm": algorithm, "arms": arms or ARMS, **settings}
    catalogue = Catalogue(pl.DataFrame({"item": [f"i{place}" for place in range(N)]}))
    return build(policy_config(table), strategies, catalogue=catalogue)


def test_what_the_rules_of_an_arm_did_is_told() -> None:
    policy = made()
    effects = {effect.rule: effect for effect in policy.rule_effects(MANY, 2)}
    assert list(effects) == ["ruled: recall", "ruled: ad"]
    assert (effects["ruled: recall"].requests, effects["ruled: recall"].slates) == (200, 200)
    assert policy.notes
    assert all(note.startswith("ruled: ") for note in policy.notes)
    choices = policy.choose(policy.initial_state(), MANY, 2, np.random.default_rng(0))
    assert choices.details is not None
    for arm, told in zip(choices.arms, choices.details, strict=True):
        assert ("rules" in told) == (arm == "ruled")
    assert policy.strategy("down") is not None
    assert policy.strategy("sideways") is None


ITEMS = pl.DataFrame(
    {"item": [f"i{place}" for place in range(N)], "genre": ["war", "love"] * (N // 2), "price": np.arange(float(N))}
)


def of_items(within: dict[str, Any], **settings: Any) -> Policy:
    strategies = {"up": Fixed(UP).fit(DATA), "down": Fixed(DOWN).fit(DATA)}
    arms = {"up": {"sources": ["up"], "fallback": ""}, "down": {"sources": ["down"], "fallback": ""}}
    table = {"kind": "bandit", "within": within, "arms": arms, **settings}
    return build(policy_config(table), strategies, catalogue=Catalogue(ITEMS))


def after(policy: Policy, chance: dict[str, float], rounds: int) -> tuple[Any, Choices]:
    """Slates read from the top until something is taken, and the state that comes of it; a simulation."""
    rng, state = np.random.default_rng(3), policy.initial_state()
    rate = np.array([chance.get(genre, 0.0) for genre in ITEMS["genre"]])
    for _ in range(rounds):
        choices = policy.choose(state, MANY, 3, rng)
        shown = choices.rankings.items[:, :2]
        would = rng.random(shown.shape) < rate[shown]
        taken = [[int(row.argmax())] if row.any() else [] for row in would]
        state = policy.update(
            state, Outcomes(choices.arms, [float(bool(one)) for one in taken], details=choices.details, taken=taken)
        )
    return state, policy.choose(state, MANY, 3, rng)


@pytest.mark.parametrize("within", [{"places": 2}, {"places": 2, "features": {"genre": ["war", "love"]}}])
def test_the_second_level_learns_which_items_to_show(within: dict[str, Any]) -> None:
    policy = of_items(within)
    assert policy.learns_by_item
    state, choices = after(policy, {"war": 0.5, "love": 0.05}, 6)
    shown = ITEMS["genre"].to_numpy()[choices.rankings.items[:, :2]]
    assert (shown == "war").mean() > 0.9
    assert choices.rankings.items.shape == (200, 3)
    assert choices.details is not None
    for row, told in zip(choices.rankings.items[:5].tolist(), choices.details, strict=False):
        assert told["within"]["items"] == [f"i{item}" for item in row[:2]]
        assert len(told["propensities"]) == 3
    assert set(state) > {"within", "per_arm"}


def test_chances_of_the_second_level_are_those_of_its_draws() -> None:
    policy = of_items({"places": 2, "pool": 4})
    state, _ = after(policy, {"war": 0.3, "love": 0.2}, 1)
    many = Histories.of([[]] * 6000, n_items=N)
    choices = policy.choose(state, many, 3, np.random.default_rng(9))
    slates, at, times = np.unique(choices.rankings.items, axis=0, return_index=True, return_counts=True)
    assert choices.details is not None
    told = np.array([choices.details[row]["propensities"] for row in at.tolist()])
    whole = told.prod(axis=1) * choices.propensities[at]
    assert len(slates) > 10
    assert (np.abs(times / 6000 - whole) < 5 * np.sqrt(whole / 6000)).all()


def test_what_was_below_the_last_taken_item_was_not_seen() -> None:
    policy = of_items({"places": 3})
    told = [{"within": {"items": ["i1", "i2", "i3"]}}] * 3
    state = policy.update(
        policy.initial_state(), Outcomes(["up"] * 3, [1.0, 0.0, 1.0], details=told, taken=[[1], [], [7]])
    )
    assert state["within"] == {"items": {"i1": [0.0, 3.0], "i2": [1.0, 2.0], "i3": [0.0, 2.0]}}


def test_an_unseen_change_makes_the_watched_bandit_forget() -> None:
    policy = made({"name": "watched", "steady": "ucb1", "drifting": {"name": "beta", "window": 1200}, "risk": 0.001})
    rng, state = np.random.default_rng(1), policy.initial_state()
    for rates in ({"ruled": 0.6, "free": 0.2}, {"ruled": 0.05, "free": 0.3}):
        for _ in range(10):
            arms = policy.choose(state, MANY, 2, rng).arms.tolist()
            state = policy.update(state, Outcomes(arms, [float(rng.random() < rates[arm]) for arm in arms]))
        if rates["ruled"] == 0.6:
            assert policy.propensities(state, MANY)[0, 0] > 0.9
            assert state["common"]["alarm"] == [0.0]
    assert state["common"]["alarm"] == [1.0]
    assert policy.propensities(state, MANY)[0, 1] > 0.5


def test_a_guarded_and_a_paced_policy_learn() -> None:
    guarded = made({"name": "conservative", "control": "ruled", "loss": 0.2})
    assert guarded.propensities(guarded.initial_state(), MANY)[0].tolist() == [1.0, 0.0]
    came = Outcomes(["ruled"] * 300, [0.0, 1.0] * 150)
    share = guarded.propensities(guarded.update(guarded.initial_state(), came), MANY)[0]
    assert 0.08 < share[1] < 0.2
    paced = made({"name": "paced", "bandit": "ucb1", "costs": {"ruled": 0, "free": 1}, "budget": 20, "requests": 100})
    came = Outcomes(["ruled", "free"] * 100, [0.0, 1.0] * 100)
    np.testing.assert_allclose(paced.propensities(paced.update(paced.initial_state(), came), MANY)[0], [0.8, 0.2])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"algorithm": {"name": "conservative"}}, "[policy.algorithm] needs the setting 'control'."),
        (
            {"algorithm": {"name": "conservative", "control": "fre"}},
            "the control 'fre' of the bandit 'conservative' is no arm; one of: ruled, free.",
        ),
        (
            {"algorithm": {"name": "paced", "costs": {"ruled": 0}, "budget": 1, "requests": 1}},
            "the arm 'free' of the bandit 'paced' has no cost",
        ),
        ({"algorithm": {"name": "paced", "bandit": "exp3"}}, "[policy.algorithm.bandit] name is 'exp3'"),
        (
            {"algorithm": {"name": "paced", "cost": {}}},
            "[policy.algorithm] has no setting 'cost'. Did you mean 'costs'",
        ),
        ({"within": {"place": 1}}, "[policy.within] has no setting 'place'. Did you mean 'places'?"),
        ({"within": {"places": 5, "pool": 4}}, "within.places is 5, and within.pool is 4"),
        (
            {"within": {"places": 1}, "explore": {"most": 1}},
            "[policy] explore.most is 1 beside within.places = 1",
        ),
        ({"within": {"places": 1}}, "[policy] the arm 'ruled' has rules that pin or cap, beside within.places = 1"),
        (
            {"explore": {"most": 1}, "arms": {"free": {**ARMS["free"], "softmax": {}}}},
            "the arm 'free' draws its slates (softmax), and places of them are to be drawn again; one of them: softmax",
        ),
        ({"within": {"places": 1, "vectors": 3}, "arms": {"free": ARMS["free"]}}, "within.vectors is 3, and of item v"),
        (
            {"within": {"places": 1, "features": {"colour": ["red"]}}, "arms": {"free": ARMS["free"]}},
            "within.features names the column 'colour', which the catalogue does not have",
        ),
    ],
)
def test_wrong_settings(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        made(**settings)
    assert sentence.removeprefix("[policy] ") in str(caught.value)
