"""Every policy passes the contract, in one class each."""

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from recloop.compose import Catalogue, Policy, build, policy_config
from recloop.compose.fusion import reciprocal_rank
from recloop.compose.fusion.learned import learn_fusion
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.items import ItemTable
from recloop.compose.objectives.scale import Scale
from recloop.compose.objectives.signals import Terms
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.strategies import Strategy
from recloop.strategies.ease import Ease
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.strategies.transitions import Transitions
from recloop.testing.policy import PolicyContract

N_ITEMS = 40


@cache
def shop() -> tuple[dict[str, Strategy], np.ndarray, Catalogue]:
    rng = np.random.default_rng(1)
    taste = rng.integers(0, 4, 120)
    user = np.repeat(np.arange(120), 12)
    item = (taste[user] * 10 + rng.integers(0, 14, len(user))) % N_ITEMS
    log = pl.DataFrame(
        {
            "user": [f"u{u}" for u in user],
            "item": [f"i{i:02d}" for i in item],
            "time": rng.permutation(len(user)).astype(float),
        }
    )
    items = pl.DataFrame(
        {
            "item": [f"i{i:02d}" for i in range(N_ITEMS)],
            "category": [("war", "drama|war", "comedy", None)[i % 4] for i in range(N_ITEMS)],
            "price": [float(i) for i in range(N_ITEMS)],
        }
    )
    data = Dataset.of(log, items)
    strategies = {"random": Random(), "popular": Popular(), "ease": Ease(), "transitions": Transitions()}
    for strategy in strategies.values():
        strategy.fit(data)
    return strategies, rng.normal(size=(N_ITEMS, 8)).astype(np.float32), Catalogue(data.items)


class Contract(PolicyContract):
    table: ClassVar[dict[str, object]]

    def make(self) -> Policy:
        strategies, vectors, catalogue = shop()
        return build(policy_config(self.table), strategies, vectors, catalogue=catalogue)

    def requests(self) -> Histories:
        rng = np.random.default_rng(2)
        rows = [rng.integers(0, N_ITEMS, size).tolist() for size in (0, 1, 2, 5, 9, 3, 4, 1, 7, 0, 12)]
        return Histories.of(rows, n_items=N_ITEMS)


class TestOneSource(Contract):
    table: ClassVar = {"sources": ["random"]}


class TestReciprocalRank(Contract):
    table: ClassVar = {"sources": {"ease": 1.0, "transitions": 0.5, "popular": 0.25}}


class TestWeightedScore(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "fusion": "weighted-score", "candidates": 7}


class TestDiverse(Contract):
    table: ClassVar = {
        "sources": ["ease", "transitions"],
        "fusion": "weighted-score",
        "scale": "z-score",
        "diversity": 0.4,
    }


class TestCombMnz(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "fusion": "comb-mnz", "scale": "rank", "candidates": 9}


class TestCalibratedScores(Contract):
    table: ClassVar = {
        "sources": ["ease", "popular"],
        "fusion": "weighted-score",
        "scale": "calibrated",
        "calibration": {
            "ease": {"scores": [0.0, 1.0], "chances": [0.0, 0.5]},
            "popular": {"scores": [0.0, 100.0], "chances": [0.01, 0.2]},
        },
    }


class TestCascade(Contract):
    table: ClassVar = {"sources": ["popular", "transitions"], "fusion": "cascade", "ranker": "ease"}


@pytest.mark.skipif(not find_spec("lightgbm"), reason="the extra 'blend' is not installed")
class TestLearnedFusion(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "fusion": "learned", "model": "known"}

    def make(self) -> Policy:
        strategies, vectors, catalogue = shop()
        return build(policy_config(self.table), strategies, vectors, catalogue=replace(catalogue, models=trained()))


@cache
def trained() -> dict[str, str]:
    strategies, _, _ = shop()
    rng = np.random.default_rng(3)
    histories = Histories.of([rng.integers(0, N_ITEMS, 4).tolist() for _ in range(80)], n_items=N_ITEMS)
    lists = [strategies[name].rank(histories, 30) for name in ("ease", "popular")]
    fused = reciprocal_rank(lists, N_ITEMS)
    relevant = (fused.rankings.items % 3 == 0) & (fused.rankings.items >= 0)
    return {"known": learn_fusion(lists, histories, relevant, fused=fused, rounds=5)}


class TestQuotas(Contract):
    table: ClassVar = {
        "sources": ["ease", "popular", "random"],
        "fusion": "quotas",
        "quotas": {"ease": 3, "popular": 2, "random": 1},
    }


class TestDeterminantal(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "diversifier": {"kind": "dpp", "strength": 0.4}}


class TestAspects(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "diversifier": {"kind": "xquad"}}


class TestProportional(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "diversifier": {"kind": "pm2"}}


class TestCalibratedSlate(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "diversifier": {"kind": "calibrated", "strength": 0.8}}


class TestRules(Contract):
    table: ClassVar = {
        "sources": ["ease", "popular"],
        "diversifier": {"kind": "mmr", "strength": 0.3},
        "measured": 1.0,
        "rules": [
            {"do": "pin", "name": "ad", "items": ["i07", "i11"], "place": 2},
            {"do": "boost", "name": "cheap", "where": {"price": {"maximum": 9}}},
            {"do": "bury", "name": "war later", "where": {"category": {"in": ["war"]}}, "by": 0.5},
            {"do": "hide", "name": "recall", "items": ["i20", "i21"]},
            {"do": "cap", "name": "few of a kind", "most": 3},
        ],
    }


class TestSlots(Contract):
    table: ClassVar = {
        "kind": "slots",
        "slots": {
            "hero": {"size": 1, "where": {"price": {"minimum": 5}}, "policy": {"sources": ["ease"]}},
            "row": {"size": 3, "policy": {"kind": "thompson", "arms": {"a": {"sources": ["ease"]},
                                                                       "b": {"sources": ["popular"]}}}},
            "ad": {"size": 2, "policy": {"kind": "thompson", "arms": {"x": {"sources": ["transitions"]},
                                                                      "y": {"sources": ["random"]}}}},
        },
    }  # fmt: skip


class TestLearningSlots(Contract):
    """Slots that see features, and one that learns from chances."""

    table: ClassVar = {
        "kind": "slots",
        "slots": {
            "row": {"size": 2, "policy": {"kind": "bandit", "algorithm": "lin-ucb", "features": {"history": 2},
                                          "arms": {"a": {"sources": ["ease"]}, "b": {"sources": ["popular"]}}}},
            "ad": {"size": 3, "policy": {"kind": "bandit", "algorithm": {"name": "exp3", "rate": 0.2},
                                         "arms": {"x": {"sources": ["transitions"]}, "y": {"sources": ["random"]}}}},
        },
    }  # fmt: skip
    order_free = False  # the moments at which the ridge is learned count outcomes


class TestThompson(Contract):
    table: ClassVar = {
        "kind": "thompson",
        "arms": {
            "accurate": {"sources": ["ease"]},
            "diverse": {"sources": ["ease", "transitions"], "diversity": 0.5},
            "popular": {"sources": ["popular"]},
        },
    }


ARMS = {
    "accurate": {"sources": ["ease"]},
    "diverse": {"sources": ["ease", "transitions"], "diversity": 0.5},
    "popular": {"sources": ["popular"]},
}


class TestUpperBounds(Contract):
    table: ClassVar = {"kind": "bandit", "algorithm": {"name": "ucb1", "floor": 0.05}, "arms": ARMS}


class TestTopTwo(Contract):
    table: ClassVar = {"kind": "bandit", "algorithm": "top-two", "arms": ARMS}


class TestExploredPlaces(Contract):
    table: ClassVar = {
        "kind": "bandit",
        "explore": {"most": 2, "share": 0.4, "pool": 6},
        "arms": {"accurate": {"sources": ["ease"]}, "popular": {"sources": ["popular"]}},
    }

    def test_each_place_has_its_chance(self) -> None:
        policy, histories = self.make(), self.requests()
        many = histories.take(np.full(4000, 3))
        choices = policy.choose(policy.initial_state(), many, 5, np.random.default_rng(8))
        chances = np.array([told["propensities"] for told in choices.details or ()])
        assert (chances[:, 0] == 1.0).all()
        slates, at, times = np.unique(choices.rankings.items, axis=0, return_index=True, return_counts=True)
        whole = chances[at].prod(axis=1) * 0.5  # the arms have even chances
        often = whole > 0.005
        assert (np.abs(times / 4000 - whole) < 5 * np.sqrt(whole / 4000))[often].all()
        assert len(slates) > 20


class TestLinearThompson(Contract):
    table: ClassVar = {"kind": "bandit", "algorithm": "lin-ts", "features": {"history": 3}, "arms": ARMS}
    order_free = False  # the moments at which the ridge is learned count outcomes


class TestSoftmax(Contract):
    table: ClassVar = {"sources": ["ease", "popular"], "softmax": {"temperature": 0.3, "depth": 12}}


class TestObjectives(Contract):
    table: ClassVar = {
        "sources": ["ease", "popular"],
        "diversity": 0.2,
        "objectives": {
            "weights": {"novelty": 0.5, "diversity": 0.3},
            "constraints": [{"of": "new", "at_least": 0.05}],
            "prices": {"new": 0.2},
        },
    }

    def make(self) -> Policy:
        strategies, vectors, _ = shop()
        items = pl.DataFrame({"item": [f"i{i:02d}" for i in range(N_ITEMS)]})
        log = Dataset.of(pl.DataFrame({"user": ["u"] * N_ITEMS, "item": items["item"]}), items)
        values = np.random.default_rng(0).normal(size=(30, N_ITEMS))
        scales = {name: Scale.of(values, "robust") for name in ("relevance", "novelty", "diversity", "new")}
        learned = Objectives(ItemTable.of(log, vectors), scales, None, Terms())
        return build(policy_config(self.table), strategies, vectors, catalogue=Catalogue(items, objectives=learned))


class TestConservative(Contract):
    table: ClassVar = {
        "kind": "bandit",
        "algorithm": {"name": "conservative", "bandit": "ucb1", "control": "accurate"},
        "arms": ARMS,
    }


class TestPaced(Contract):
    table: ClassVar = {
        "kind": "bandit",
        "algorithm": {"name": "paced", "costs": {"accurate": 0.0, "diverse": 2.0, "popular": 1.0}, "budget": 50,
                      "requests": 100},
        "arms": ARMS,
    }  # fmt: skip


class TestPacedLinear(Contract):
    table: ClassVar = {
        "kind": "bandit",
        "algorithm": {"name": "paced", "bandit": "lin-ucb", "costs": {"accurate": 0.0, "diverse": 2.0, "popular": 1.0},
                      "budget": 50, "requests": 100, "burst": 2},
        "features": {"history": 3},
        "arms": ARMS,
    }  # fmt: skip
    order_free = False  # the price depends on the order


class TestItemsOfAnArm(Contract):
    table: ClassVar = {"kind": "bandit", "within": {"places": 2, "pool": 8}, "arms": ARMS}


class TestFeaturesOfItems(Contract):
    table: ClassVar = {
        "kind": "bandit",
        "within": {"places": 3, "vectors": 2, "features": {"price": {"middle": 20, "width": 10}}},
        "arms": ARMS,
    }
    order_free = False  # the moments at which the ridge is learned count outcomes
