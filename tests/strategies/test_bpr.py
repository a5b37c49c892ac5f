import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.split import split
from recloop.metrics import Judged, parse_metrics
from recloop.strategies.bpr import BPR
from recloop.strategies.popular import Popular
from recloop.testing import StrategyContract
from recloop.testing.strategy import small_shop


class TestBPR(StrategyContract):
    make, settings = BPR, {"factors": 4, "epochs": 3}


class Fixed:
    """A generator that draws what it is told."""

    def __init__(self, drawn: list[int]) -> None:
        self.drawn = np.array(drawn)

    def integers(self, _: int, size: int) -> np.ndarray:
        assert size == len(self.drawn)
        return self.drawn


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_gradients_are_those_of_the_objective(spread: float) -> None:
    """Against finite differences of the objective as its docstring writes it; the drawn item of a pair that the user
    took is passed over, and i is not part of the history that scores it."""
    rng = np.random.default_rng(3)
    X = np.array([[1, 2, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 0, 3, 0]], np.float32)
    drawn = [2, 3, 1, 3, 0, 0]  # row 0 takes 0, 1, 4 and its third draw is its own item 1
    strategy = BPR(factors=3, reg=0.1, spread=spread)
    parameters = {
        name: rng.standard_normal((5, 3 if name != "_biases" else 1)) for name in ("_given", "_scored", "_biases")
    }

    def objective(values: dict[str, np.ndarray]) -> float:
        q, p, b = values["_given"], values["_scored"], values["_biases"][:, 0]
        total, place = 0.0, 0
        for row in X:
            for i in np.flatnonzero(row):
                j = drawn[place]
                place += 1
                if row[j] > 0:
                    continue
                rest = row.astype(np.float64).copy()
                rest[i] = 0
                taste = rest @ q / (rest.sum() ** spread if rest.sum() else 1)
                margin = taste @ (p[i] - p[j]) + b[i] - b[j]
                total -= row[i] * np.log1p(np.exp(-margin))
                total -= 0.05 * sum((v[i] ** 2).sum() + (v[j] ** 2).sum() for v in values.values())
        return total

    for name, value in parameters.items():
        setattr(strategy, name, value)
    found = strategy._ascent(sparse.csr_array(X), Fixed(drawn))
    for (name, value), gradient in zip(parameters.items(), found, strict=True):
        for place in np.ndindex(value.shape):
            up, down = ({**parameters, name: value.copy()} for _ in range(2))
            up[name][place] += 1e-5
            down[name][place] -= 1e-5
            slope = (objective(up) - objective(down)) / 2e-5
            assert gradient[place] == pytest.approx(slope, abs=2e-4)


def test_it_learns_more_than_popularity() -> None:
    parted = split(small_shop(users=400, items=60, length=15), "leave-last-out")
    recall = {}
    for name, strategy in {"bpr": BPR(factors=16), "popular": Popular()}.items():
        slates = strategy.fit(parted.train).rank(parted.histories, 10)
        recall[name] = parse_metrics(["recall@10"])[0].value(Judged(slates, parted.truth, parted.histories))
    assert recall["bpr"] > 1.2 * recall["popular"]


def test_a_history_is_its_items_however_it_is_written() -> None:
    """Order and repeats say nothing; more of an item's weight says more."""
    data = small_shop()
    strategy = BPR(factors=4, epochs=2).fit(data)
    first, second = strategy.score(Histories.of([[1, 2, 3], [3, 1, 2, 2]], data.n_items))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_batches_are_all_users_once() -> None:
    data = small_shop()
    for batch in (1, 100, 10**6):
        blocks = list(BPR(batch=batch)._batches(data.matrix(), np.random.default_rng(0)))
        assert sum(block.nnz for block in blocks) == data.n_events
        assert len(blocks) == {1: 60, 100: 8, 10**6: 1}[batch]


def test_one_item_and_nobody_else() -> None:
    """No item can be drawn against it: nothing is learned, and it is still answered."""
    data = Dataset.of(pl.DataFrame({"user": ["a", "b"], "item": ["x", "x"]}))
    strategy = BPR(factors=2, epochs=2).fit(data)
    assert np.isfinite(strategy.score(data.histories())).all()
    assert strategy.rank(Histories.of([[]], 1), 3).items.tolist() == [[0, -1, -1]]


def test_the_seed_is_the_only_chance() -> None:
    data = small_shop()
    first, same, other = (BPR(factors=4, epochs=2, seed=seed).fit(data).score(data.histories()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-6
