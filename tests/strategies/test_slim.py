import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recloop.data import compiled
from recloop.data.dataset import Dataset
from recloop.strategies.elastic_net import elastic_net
from recloop.strategies.slim import Slim
from recloop.testing import StrategyContract
from recloop.testing.strategy import small_shop


class TestSlim(StrategyContract):
    make, settings = Slim, {"l1": 0.5, "l2": 5.0}


def gradients(gram: np.ndarray, W: np.ndarray, l1: float, l2: float) -> np.ndarray:
    """Of the smooth part and the l1 norm, at weights above 0: column j holds that of w_j."""
    return gram @ W - gram + l2 * W + l1


@pytest.fixture(params=["numpy", "numba"])
def engine(request, monkeypatch):
    if request.param == "numba":
        pytest.importorskip("numba")
    monkeypatch.setattr(compiled, "WORTH", float("inf") if request.param == "numpy" else 0)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 1.0), (2.0, 0.5), (5.0, 20.0)])
def test_the_conditions_of_the_optimum_hold(l1: float, l2: float) -> None:
    """Karush, Kuhn and Tucker: the gradient is 0 at weights above 0, and at least 0 at those that are 0."""
    rng = np.random.default_rng(1)
    X = sparse.csr_array(sparse.random_array((300, 150), density=0.15, rng=rng, dtype=np.float32))
    X.data = rng.choice([0.5, 1.0, 2.0], size=X.nnz).astype(np.float32)
    gram = sparse.csr_array(X.T @ X)
    W = np.concatenate([elastic_net(gram, 0, 70, l1, l2), elastic_net(gram, 70, 150, l1, l2)]).T.astype(np.float64)
    assert (W >= 0).all()
    assert (np.diag(W) == 0).all()
    assert (W > 0).sum() > 300
    slope = gradients(gram.toarray().astype(np.float64), W, l1, l2)
    off = ~np.eye(len(W), dtype=bool)
    tolerance = 0.02 * gram.diagonal().max() * 1e-4 * 200
    assert np.abs(slope[off & (W > 0)]).max() < tolerance
    assert slope[off & (W == 0)].min() > -tolerance


def test_both_engines_find_the_same_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    data = small_shop(users=150, items=80, length=20)
    monkeypatch.setattr(compiled, "WORTH", float("inf"))
    plain = Slim(l1=0.5, l2=3.0).fit(data)._table.toarray()
    monkeypatch.setattr(compiled, "WORTH", 0)
    fast = Slim(l1=0.5, l2=3.0).fit(data)._table.toarray()
    np.testing.assert_allclose(fast, plain, atol=2e-3)


def test_more_l1_leaves_fewer_weights() -> None:
    data = small_shop(users=200)
    counts = [Slim(l1=l1, l2=5.0).fit(data)._table.nnz for l1 in (0.0, 3.0, 10.0, 1e6)]
    assert counts[0] > counts[1] > counts[2] > counts[3] == 0


def test_without_weights_it_answers_what_is_popular() -> None:
    data = small_shop()
    slates = Slim(l1=1e6).fit(data).rank(data.histories(), 5, hide_seen=False)
    counts = np.bincount(data.positive["item"].to_numpy(), minlength=data.n_items)
    assert (np.diff(counts[slates.items], axis=1) <= 0).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_shop()
    whole = Slim(l1=0.5, l2=2.0).fit(data)._table.toarray()
    monkeypatch.setattr("recloop.strategies.slim.BLOCK_BYTES", 4 * data.n_items * 7)
    np.testing.assert_allclose(Slim(l1=0.5, l2=2.0).fit(data)._table.toarray(), whole, atol=2e-3)


def test_what_goes_together_gets_weight() -> None:
    rows = [(f"u{n}", item) for n in range(40) for item in (("a", "b") if n % 2 else ("c", "d"))]
    data = Dataset.of(pl.DataFrame(rows, schema=["user", "item"], orient="row"))
    table = Slim(l1=0.1, l2=0.1).fit(data)._table.toarray()
    expected = np.zeros((4, 4))
    expected[[0, 1, 2, 3], [1, 0, 3, 2]] = (20 - 0.1) / (20 + 0.1)
    np.testing.assert_allclose(table, expected, atol=1e-4)
