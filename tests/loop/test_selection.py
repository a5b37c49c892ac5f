"""What to fuse is learned on events put aside: never worse there than the best strategy, and noise stays out."""

import pytest

from recloop.compose import SlateConfig, build
from recloop.data.split import Split, splitter
from recloop.evaluate import evaluate
from recloop.loop.selection import select
from recloop.metrics import NDCG
from recloop.simulate import World
from recloop.strategies import Strategy, make

NAMES = ["random", "popular", "item-knn", "ease"]


@pytest.fixture(scope="module")
def validation() -> Split:
    return splitter("temporal")(World(seed=3, users=250, items=120, days=20).dataset())


@pytest.fixture(scope="module")
def strategies(validation: Split) -> dict[str, Strategy]:
    return {name: make(name).fit(validation.train) for name in NAMES}


def value(config: SlateConfig, strategies: dict[str, Strategy], validation: Split) -> float:
    return evaluate(validation, {"policy": build(config, strategies)}, [NDCG(10)]).value("policy", "ndcg@10")


def test_no_worse_than_the_best_alone(strategies: dict[str, Strategy], validation: Split) -> None:
    chosen = select(SlateConfig(), strategies, NAMES, validation, NDCG(10))
    alone = [value(SlateConfig(sources=[name]), strategies, validation) for name in NAMES]
    assert value(chosen, strategies, validation) >= max(alone)
    assert chosen.fusion == SlateConfig().fusion


def test_weights_are_merits_relative_to_the_best(strategies: dict[str, Strategy], validation: Split) -> None:
    chosen = select(SlateConfig(), strategies, NAMES, validation, NDCG(10))
    alone = {name: value(SlateConfig(sources=[name]), strategies, validation) for name in NAMES}
    best = max(alone, key=lambda name: alone[name])
    for name, weight in chosen.weights.items():
        assert weight == pytest.approx(alone[name] / alone[best], abs=1e-3)


def test_one_candidate_is_taken(strategies: dict[str, Strategy], validation: Split) -> None:
    assert select(SlateConfig(), strategies, ["popular"], validation, NDCG(10)).weights == {"popular": 1.0}
