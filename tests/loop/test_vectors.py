import numpy as np
import polars as pl

from recloop.data.dataset import Dataset
from recloop.loop.vectors import behaviour_vectors


def log(n_users: int, n_items: int, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n_users)
    user = np.repeat(np.arange(n_users), 10)
    item = rng.integers(0, n_items // 2, len(user)) + group[user] * (n_items // 2)
    return Dataset.of(pl.DataFrame({"user": user.astype(str), "item": [f"{one:04d}" for one in item]}))


def test_items_of_the_same_users_point_the_same_way() -> None:
    for data in (log(200, 40), log(400, 200)):  # by dense and by sparse decomposition
        vectors = behaviour_vectors(data, dimensions=30)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
        half = np.array([int(name) for name in data.item_ids.ids]) < (20 if data.n_items == 40 else 100)
        likeness = vectors @ vectors.T
        assert likeness[np.ix_(half, half)].mean() > 0.05
        assert abs(likeness[np.ix_(half, ~half)]).max() < 1e-3


def test_the_same_log_gives_the_same_vectors() -> None:
    np.testing.assert_array_equal(behaviour_vectors(log(400, 200)), behaviour_vectors(log(400, 200)))


def test_items_that_nobody_took_have_no_direction() -> None:
    items = pl.DataFrame({"item": ["a", "b", "c"]})
    data = Dataset.of(pl.DataFrame({"user": ["u", "v"], "item": ["a", "b"]}), items)
    vectors = behaviour_vectors(data)
    assert vectors[2].tolist() == [0.0] * vectors.shape[1]
    assert np.isfinite(vectors).all()
