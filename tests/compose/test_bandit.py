"""A bandit over slate policies: what its arms tell goes on."""

from typing import Any

import numpy as np
import polars as pl
from tests.compose.test_policy import DATA, DOWN, UP, Fixed, N

from recloop.compose import Catalogue, Policy, build, policy_config
from recloop.data.histories import Histories

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
