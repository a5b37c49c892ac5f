"""Every policy passes the contract, in one class each."""

from functools import cache
from typing import ClassVar

import numpy as np
import polars as pl

from recloop.compose import Policy, build, policy_config
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
def shop() -> tuple[dict[str, Strategy], np.ndarray]:
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
    items = pl.DataFrame({"item": [f"i{i:02d}" for i in range(N_ITEMS)]})
    data = Dataset.of(log, items)
    strategies = {"random": Random(), "popular": Popular(), "ease": Ease(), "transitions": Transitions()}
    for strategy in strategies.values():
        strategy.fit(data)
    return strategies, rng.normal(size=(N_ITEMS, 8)).astype(np.float32)


class Contract(PolicyContract):
    table: ClassVar[dict[str, object]]

    def make(self) -> Policy:
        strategies, vectors = shop()
        return build(policy_config(self.table), strategies, vectors)

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


class TestLinearThompson(Contract):
    table: ClassVar = {"kind": "bandit", "algorithm": "lin-ts", "features": {"history": 3}, "arms": ARMS}
    order_free = False  # the moments at which the ridge is learned count outcomes
