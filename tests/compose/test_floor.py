"""Thompson sampling that leaves a chance to every arm, and writes down the chance of each."""

import numpy as np
import polars as pl
import pytest

from recloop.compose import Outcomes, build, policy_config
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import SettingError
from recloop.stats.adaptive import mixture, probability_best, with_floor
from recloop.strategies.popular import Popular
from recloop.types import Request

SHOP = Dataset.of(pl.DataFrame({"user": ["u", "v"], "item": ["x", "y"], "time": [0.0, 1.0]}))


def bandit(**settings: object):
    arms = {"a": {"sources": ["popular"], "fallback": ""}, "b": {"sources": ["popular"], "fallback": ""}}
    return build(policy_config({"kind": "thompson", "arms": arms, **settings}), {"popular": Popular().fit(SHOP)})


def shares(**settings: object) -> np.ndarray:
    policy = bandit(**settings)
    state = policy.update(policy.initial_state(), Outcomes(["a"] * 60 + ["b"] * 40, [1.0] * 60 + [0.0] * 40))
    nobody = Histories.from_requests([Request(user="n", id="r", time=2.0)], policy.items, SHOP.kinds)
    choices = policy.choose(state, nobody, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(choices.allocation, policy.propensities(state, nobody))
    return choices.allocation[0]


def test_floor_and_mixture_keep_chances_away_from_zero() -> None:
    plain = probability_best([61.0, 1.0], [1.0, 41.0])
    assert plain[1] < 1e-9
    np.testing.assert_allclose(shares(), plain)
    np.testing.assert_allclose(shares(floor=0.05), with_floor(plain, 0.05))
    np.testing.assert_allclose(shares(mixture=0.2), mixture(plain, 101, 0.2))
    both = shares(mixture=0.2, floor=0.3)
    assert both[1] >= 0.3
    assert both.sum() == pytest.approx(1)


def test_what_is_refused() -> None:
    with pytest.raises(SettingError, match=r"the floor is 0.4 for 3 arms; at most 1/3"):
        policy_config({"kind": "thompson", "floor": 0.4, "arms": {name: {"sources": ["popular"]} for name in "abc"}})
    with pytest.raises(SettingError, match="mixture"):
        bandit(mixture=1.0)
