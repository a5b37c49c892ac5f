import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.truth import Truth
from recloop.errors import DataError
from recloop.metrics import Judged, parse_metrics
from recloop.strategies.ease import Ease
from recloop.testing.strategy import small_shop


def closed_form_by_column(X: np.ndarray, reg: float) -> np.ndarray:
    """min |x_j - X w|^2 + reg |w|^2 with w_j = 0, one ridge regression per column: what EASE solves at once."""
    n = X.shape[1]
    W = np.zeros((n, n))
    for j in range(n):
        others = np.delete(np.arange(n), j)
        A = X[:, others]
        W[others, j] = np.linalg.solve(A.T @ A + reg * np.eye(n - 1), A.T @ X[:, j])
    return W


def test_weights_are_the_ridge_regressions_of_each_item_on_the_others() -> None:
    data = small_shop(users=80, items=30)
    X = data.matrix().toarray().astype(np.float64)
    strategy = Ease(reg=3.0).fit(data)
    np.testing.assert_allclose(strategy._weights, closed_form_by_column(X, 3.0), atol=2e-5)
    assert (np.diag(strategy._weights) == 0).all()


def test_scores_are_history_times_weights_and_not_their_transpose() -> None:
    """Everybody who takes `rare` takes `common`, and few the other way round: W is not symmetric."""
    rows = [("u0", "common"), ("u0", "rare"), *((f"u{n}", "common") for n in range(1, 30)), ("u30", "other")]
    data = Dataset.of(pl.DataFrame(rows, schema=["user", "item"], orient="row"))
    common, rare = data.item_ids.indices(["common", "rare"])
    strategy = Ease(reg=0.1).fit(data)
    X = data.matrix().toarray().astype(np.float64)
    W = closed_form_by_column(X, 0.1)
    assert W[rare, common] > 10 * W[common, rare] > 0
    scores = strategy.score(Histories.of([[rare], [common]], data.n_items))
    np.testing.assert_allclose(scores, np.eye(data.n_items)[[rare, common]] @ W, atol=1e-5)
    assert scores[0, common] == pytest.approx(W[rare, common], rel=1e-3)
    assert scores[1, rare] == pytest.approx(W[common, rare], rel=1e-2)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_shop()
    whole = Ease(reg=2.0).fit(data)._weights
    monkeypatch.setattr("recloop.strategies.ease.BLOCK_BYTES", 4 * data.n_items * 7)
    np.testing.assert_allclose(Ease(reg=2.0).fit(data)._weights, whole, atol=1e-6)


def test_memory_is_guarded() -> None:
    data = small_shop()
    with pytest.raises(DataError) as caught:
        Ease(max_gb=1e-6).fit(data)
    sentence = str(caught.value)
    assert f"needs {4 * data.n_items**2:,} bytes" in sentence
    assert "allows 1,000 bytes" in sentence
    assert "raise max_gb" in sentence
    assert "'item-knn' or 'ials'" in sentence


def test_repeated_events_are_one_taste() -> None:
    once = Dataset.of(pl.DataFrame({"user": ["a", "a", "b", "b"], "item": ["x", "y", "y", "z"]}))
    often = Dataset.of(pl.DataFrame({"user": ["a"] * 9 + ["a", "b", "b"], "item": ["x"] * 9 + ["y", "y", "z"]}))
    np.testing.assert_array_equal(Ease(reg=1.0).fit(often)._weights, Ease(reg=1.0).fit(once)._weights)


@pytest.mark.slow
@pytest.mark.data
def test_movielens_reaches_the_published_floor(data_dir) -> None:
    """EASE with reg 1000 on the BARS split of MovieLens-1M: recall@20 .2755, NDCG@20 .2674."""
    folder = data_dir / "ml-1m" / "warm_split_bars"
    pairs = {name: read_pairs(folder / f"{name}.txt") for name in ("train", "test")}
    data = Dataset.of(pairs["train"])
    held = pairs["test"]
    users, items = data.user_ids.indices(held["user"]), data.item_ids.indices(held["item"])
    assert (users >= 0).all()
    truth = sparse.csr_array((np.ones(len(users), np.float32), (users, items)), shape=(data.n_users, data.n_items))
    judged_users = np.unique(users)
    truth = truth[judged_users]
    histories = data.histories(judged_users)
    slates = Ease(reg=1000).fit(data).rank(histories, 20)
    judged = Judged(slates, Truth(truth.indptr.astype(np.int64), truth.indices.astype(np.int32), truth.data), histories)
    recall, ndcg = (metric.value(judged) for metric in parse_metrics(["recall@20", "ndcg@20"]))
    assert recall == pytest.approx(0.2755, abs=5e-4)
    assert ndcg == pytest.approx(0.2674, abs=5e-4)


def read_pairs(path) -> pl.DataFrame:
    rows = [line.split() for line in path.read_text().splitlines()]
    return pl.DataFrame(
        {"user": [row[0] for row in rows for _ in row[1:]], "item": [item for row in rows for item in row[1:]]}
    )


def test_a_sparse_one_ranks_as_it_scores() -> None:
    data = small_shop(users=120)
    histories = data.histories()
    for smaller in Ease(reg=10.0).fit(data).compressed(data):
        scores = smaller.score(histories)
        scores[histories.rows, histories.items] = -np.inf
        ranked = smaller.rank(histories, 6)
        best = np.sort(scores, axis=1)[:, ::-1][:, :6]
        np.testing.assert_allclose(ranked.scores, best, rtol=1e-5, atol=1e-7)


def test_fewer_weights_are_the_largest_ones() -> None:
    data = small_shop(users=120)
    whole = Ease(reg=10.0).fit(data)
    kept = [np.count_nonzero(smaller._weights.toarray()) for smaller in list(whole.compressed(data))[:4]]
    assert kept == [int(share * data.n_items**2) for share in (0.02, 0.05, 0.1, 0.2)]
    smallest = next(whole.compressed(data))._weights.toarray()
    assert np.abs(whole._weights)[smallest != 0].min() >= np.abs(whole._weights)[smallest == 0].max()
