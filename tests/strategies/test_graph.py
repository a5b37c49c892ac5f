import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.strategies import make
from recloop.strategies.ease import Ease
from recloop.strategies.graph import Graph, right_singular
from recloop.strategies.normalised import normalise
from recloop.testing import StrategyContract
from recloop.testing.strategy import small_shop


class TestGraph(StrategyContract):
    make, settings = Graph, {"factors": 8}


def wide(rows: int, columns: int, seed: int = 0) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    return sparse.csr_array(sparse.random_array((rows, columns), density=0.2, rng=rng, dtype=np.float32))


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (1, 4), (4, 1)])
def test_singular_values_and_vectors_are_those_of_the_dense_decomposition(shape: tuple[int, int]) -> None:
    """By the Gram matrix of either side: the same filter."""
    X = wide(*shape)
    values, vectors = right_singular(X, 9)
    _, expected, right = np.linalg.svd(X.toarray())
    m = min(9, *shape)
    assert vectors.shape == (shape[1], m)
    np.testing.assert_allclose(values, expected[:m], atol=1e-4)
    np.testing.assert_allclose((vectors * values) @ vectors.T, (right[:m].T * expected[:m]) @ right[:m], atol=1e-4)


@pytest.mark.parametrize("shape", [(400, 250), (250, 400)])
def test_a_krylov_space_holds_the_greatest_singular_values(shape: tuple[int, int]) -> None:
    """Four tastes and noise: values to a thousandth, vectors of the tastes as they are."""
    rng = np.random.default_rng(0)
    tastes = rng.integers(4, size=shape[0])[:, None] == rng.integers(4, size=shape[1])
    X = sparse.csr_array((rng.random(shape) < np.where(tastes, 0.5, 0.05)).astype(np.float32))
    values, vectors = right_singular(X, 12)
    _, expected, right = np.linalg.svd(X.toarray())
    np.testing.assert_allclose(values, expected[:12], rtol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(12), atol=1e-5)
    np.testing.assert_allclose(vectors[:, :4] @ vectors[:, :4].T, right[:4].T @ right[:4], atol=1e-3)


def test_two_steps_along_the_graph_with_all_factors_are_the_matrix_product() -> None:
    """power = 2 and no cut-off: x D^-a R'R, up to one factor."""
    data = small_shop()
    strategy = Graph(factors=1000, power=2.0, item_norm=0.5, user_norm=1.0).fit(data)
    X = data.matrix().toarray().astype(np.float64)
    users, items = X.sum(axis=1), np.maximum(X.sum(axis=0), 1)
    R = X / np.sqrt(users)[:, None] / np.sqrt(items)
    expected = (X / np.sqrt(items)) @ R.T @ R
    scores = strategy.score(data.histories())
    np.testing.assert_allclose(scores / scores.max(), expected / expected.max(), atol=1e-5)


def test_the_flat_filter_is_a_projection_onto_the_smoothest_signals() -> None:
    data = small_shop()
    strategy = Graph(factors=5, power=0.0, item_norm=0.0, user_norm=0.0).fit(data)
    once = strategy.score(data.histories())
    _, _, right = np.linalg.svd(data.matrix().toarray())
    np.testing.assert_allclose(once, data.matrix().toarray() @ right[:5].T @ right[:5], atol=1e-4)


def test_few_factors_keep_the_tastes_of_the_shop() -> None:
    """Two items of a genre bring that genre: four tastes need no more than a few factors."""
    data = small_shop(users=200)
    genres = data.items["category"].to_numpy()
    pairs = [[data.item_ids.index(f"i{first}"), data.item_ids.index(f"i{first + 4}")] for first in range(4)]
    slates = Graph(factors=4).fit(data).rank(Histories.of(pairs, data.n_items), 5).items
    assert (genres[slates] == genres[[pair[0] for pair in pairs]][:, None]).mean() > 0.8


def test_exponents_of_zero_change_nothing() -> None:
    X = wide(20, 10)
    same, scale = normalise(X, items=0.0, users=0.0)
    np.testing.assert_array_equal(same.toarray(), X.toarray())
    np.testing.assert_array_equal(scale, 1)


def test_the_sum_of_squares_stays_and_untouched_items_stay_zero() -> None:
    X = wide(20, 10).toarray()
    X[:, 3] = 0
    X[5] = 0
    evened, scale = normalise(sparse.csr_array(X), items=0.4, users=0.8)
    assert np.square(evened.data).sum() == pytest.approx(np.square(X).sum(), rel=1e-5)
    assert scale[3] == 0
    users, items = X.sum(axis=1), X.sum(axis=0)
    there = X > 0
    expected = (X / np.where(users, users, 1)[:, None] ** 0.4 / np.where(items, items, 1) ** 0.4)[there]
    np.testing.assert_allclose(evened.toarray()[there] / expected, (evened.toarray()[there] / expected)[0], rtol=1e-5)


def test_ease_on_evened_columns_is_the_ridge_with_a_weight_for_each_item() -> None:
    """Column by column: users weigh n_u^-user_norm, the ridge on item i grows with n_i^(2 item_norm)."""
    data = small_shop(users=80, items=20)
    strategy = Ease(reg=3.0, item_norm=0.3, user_norm=0.8).fit(data)
    X = data.matrix().toarray().astype(np.float64)
    touched = np.flatnonzero(X.sum(axis=0))
    X = X[:, touched]
    evened, scale = normalise(sparse.csr_array(X.astype(np.float32)), 0.3, 0.8)
    Z = evened.toarray().astype(np.float64)
    W = np.zeros((len(touched), len(touched)))
    for j in range(len(touched)):
        others = np.delete(np.arange(len(touched)), j)
        A = Z[:, others]
        W[others, j] = np.linalg.solve(A.T @ A + 3.0 * np.eye(len(others)), A.T @ Z[:, j])
    np.testing.assert_allclose(strategy._weights[np.ix_(touched, touched)], scale[:, None] * W, atol=2e-5)


def test_equal_singular_values_are_told_apart_the_same_way_each_time() -> None:
    """Groups of five that never meet: every group is as smooth as every other."""
    X = sparse.csr_array(sparse.kron(sparse.eye_array(60), np.ones((5, 5), np.float32)).astype(np.float32))
    (first, vectors), (second, again) = right_singular(X, 4), right_singular(X, 4)
    np.testing.assert_allclose(first, 5, rtol=1e-5)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(vectors, again)


@pytest.mark.parametrize("name", ["ease", "slim", "graph", "bpr"])
def test_events_that_weigh_nothing_leave_what_was_not_learned(name: str) -> None:
    rows = {"user": [f"u{n}" for n in range(40)], "item": [f"i{n}" for n in range(40)], "kind": ["glance"] * 40}
    data = Dataset.of(pl.DataFrame(rows), kinds=Kinds(weights={"glance": 0.0}))
    assert data.positive.is_empty()
    settings = {"factors": 4} if name in {"graph", "bpr"} else {}
    scores = make(name, **settings).fit(data).score(Histories.of([[], [1]], 40))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", ["ease", "slim", "graph"])
def test_everybody_took_everything_and_no_item_leads(name: str) -> None:
    rows = [(f"u{user}", f"i{item}") for user in range(30) for item in range(20)]
    data = Dataset.of(pl.DataFrame(rows, schema=["user", "item"], orient="row"))
    scores = make(name).fit(data).score(Histories.of([[3]], 20))[0]
    others = np.delete(scores, 3)
    np.testing.assert_allclose(others, others[0], rtol=2e-2, atol=1e-6)
