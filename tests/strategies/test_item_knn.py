import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.testing.strategy import small_shop


def cosine(X: np.ndarray, shrinkage: float) -> np.ndarray:
    norms = np.sqrt((X**2).sum(axis=0))
    S = X.T @ X / (np.outer(norms, norms) + shrinkage + 1e-30)
    np.fill_diagonal(S, 0)
    return S


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
def test_similarities_are_shrunk_cosines(shrinkage: float) -> None:
    data = small_shop()
    S = cosine(data.matrix().toarray().astype(np.float64), shrinkage)
    strategy = ItemKNN(neighbours=data.n_items, shrinkage=shrinkage).fit(data)
    np.testing.assert_allclose(strategy._table.toarray(), S, atol=1e-6)


def test_each_item_keeps_its_nearest() -> None:
    data = small_shop()
    S = cosine(data.matrix().toarray().astype(np.float64), 10.0)
    table = ItemKNN(neighbours=5).fit(data)._table
    assert np.diff(table.indptr).max() == 5
    kept = table.toarray()
    for row in range(data.n_items):
        assert kept[row].sum() == pytest.approx(np.sort(S[row])[-5:].sum(), rel=1e-5)


def test_scores_sum_the_rows_of_the_history() -> None:
    data = small_shop()
    strategy = ItemKNN(neighbours=5).fit(data)
    S = strategy._table.toarray()
    scores = strategy.score(Histories.of([[2, 7]], data.n_items))[0]
    reached = S[2] + S[7] > 0
    np.testing.assert_allclose(scores[reached], (S[2] + S[7])[reached], rtol=1e-6)


def test_what_is_not_reached_follows_by_popularity() -> None:
    data = small_shop()
    strategy = ItemKNN(neighbours=2).fit(data)
    histories = Histories.of([[2]], data.n_items)
    ranked = strategy.rank(histories, data.n_items - 1).items[0]
    popular = Popular().fit(data).rank(histories, data.n_items - 1).items[0]
    near = set(strategy._table[[2]].indices)
    assert set(ranked[:2]) == near
    assert ranked[2:].tolist() == [item for item in popular if item not in near]


def test_shrinkage_distrusts_one_common_user() -> None:
    pairs = [("a", "x"), ("a", "odd")] + [(f"u{n}", item) for n in range(20) for item in ("x", "y")]
    data = Dataset.of(pl.DataFrame(pairs, schema=["user", "item"], orient="row"))
    x, y, odd = (data.item_ids.index(name) for name in ("x", "y", "odd"))
    S = ItemKNN(shrinkage=10).fit(data)._table.toarray()
    assert S[x, y] / S[x, odd] > 2 * (20 / np.sqrt(21 * 20)) / (1 / np.sqrt(21))
