"""Ratings foretold by item-knn, against a model written out with loops."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.data.split import split
from recloop.errors import SettingError
from recloop.evaluate import HeldOutRatings, evaluate
from recloop.evaluate.ranker import Rater
from recloop.strategies import rating_model
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.rating_model import ITEM_PRIOR, LEAST_EVIDENCE, ROUNDS, USER_PRIOR
from recloop.testing.strategy import small_shop
from recloop.types import Event, Request


def critics(minimum: float | None = None, seed: int = 0) -> Dataset:
    """Half-star ratings of 40 users for 25 items of two sorts; some rate twice; views and purchases between."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(40):
        for item in rng.permutation(25)[: rng.integers(3, 15)]:
            taste = 1.5 if item % 2 == user % 2 else -1.0
            for _ in range(1 + (rng.random() < 0.2)):
                stars = np.clip(np.round(2 * (3 + taste + item / 25 + rng.normal(0, 0.5))) / 2, 1, 5)
                rows.append((f"u{user}", f"i{item}", "rating", stars, float(len(rows))))
            if rng.random() < 0.3:
                rows.append((f"u{user}", f"i{item}", "purchase", 1000.0, float(len(rows))))
            if rng.random() < 0.3:
                rows.append((f"u{user}", f"i{item}", "view", None, float(len(rows))))
    log = pl.DataFrame(rows, schema=["user", "item", "kind", "value", "time"], orient="row")
    catalogue = pl.DataFrame({"item": [f"i{item}" for item in range(26)]})
    return Dataset.of(log, catalogue, kinds=Kinds(minimum={} if minimum is None else {"rating": minimum}))


def table(data: Dataset, *, positive: bool) -> np.ndarray:
    """(users, items) the last rating of each pair, NaN where there is none."""
    kept = np.full((data.n_users, data.n_items), np.nan)
    for row in data.events.filter(pl.col("kind") == "rating").iter_rows(named=True):
        if row["weight"] > 0 or not positive:
            kept[row["user"], row["item"]] = row["value"]
    return kept


def usual(R: np.ndarray) -> np.ndarray:
    """The mean rating of each item, freed of its raters' leanings: sums over what is not NaN."""
    mean = np.nanmean(R)
    there = ~np.isnan(R)
    item = np.zeros(R.shape[1])
    for _ in range(ROUNDS):
        user = np.nansum(R - mean - item, axis=1) / (there.sum(axis=1) + USER_PRIOR)
        item = np.nansum(R - mean - user[:, None], axis=0) / (there.sum(axis=0) + ITEM_PRIOR)
    return mean + item


def departures(R: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    user = np.nansum(R - b, axis=1) / ((~np.isnan(R)).sum(axis=1) + USER_PRIOR)
    return user, R - b - user[:, None]


def oracle(data: Dataset, neighbours: int, shrinkage: float) -> np.ndarray:
    """(users, items) every prediction, one by one."""
    everything, known = table(data, positive=False), table(data, positive=True)
    b, b_known = usual(everything), usual(known)
    user, D = departures(known, b_known)
    X = np.nan_to_num(D)
    norms = np.sqrt((X**2).sum(axis=0))
    predicted = np.empty(D.shape)
    for i in range(data.n_items):
        near = {}
        for j in range(data.n_items):
            dot = X[:, i] @ X[:, j]
            if i != j and dot > 1e-9:
                near[j] = dot / (norms[i] * norms[j] + shrinkage)
        kept = sorted(near, key=lambda j: -near[j])[:neighbours]
        for u in range(data.n_users):
            own = [j for j in kept if not np.isnan(D[u, j])]
            leaning = sum(near[j] * D[u, j] for j in own) / (sum(near[j] for j in own) + LEAST_EVIDENCE)
            predicted[u, i] = np.clip(b[i] + user[u] + leaning, np.nanmin(everything), np.nanmax(everything))
    return predicted


def whole(data: Dataset) -> np.ndarray:
    return np.tile(np.arange(data.n_items, dtype=np.int32), (data.n_users, 1))


@pytest.mark.parametrize("minimum", [None, 3.5])
@pytest.mark.parametrize(("neighbours", "shrinkage"), [(4, 0.0), (30, 10.0), (0, 10.0)])
def test_predictions_are_those_of_the_formula(minimum: float | None, neighbours: int, shrinkage: float) -> None:
    data = critics(minimum)
    strategy = ItemKNN(rating_neighbours=neighbours, shrinkage=shrinkage).fit(data)
    predicted = strategy.predict(data.histories(), whole(data))
    np.testing.assert_allclose(predicted, oracle(data, neighbours, shrinkage), atol=2e-5)


def test_they_are_better_than_the_items_means() -> None:
    data = critics()
    R = table(data, positive=False)
    halves = np.random.default_rng(3).random(data.n_events) < 0.5
    half = data.with_events(data.events.filter(pl.Series(halves)))
    unseen = ~np.isnan(R) & np.isnan(table(half, positive=False))

    def error(predicted: np.ndarray) -> float:
        return float(np.sqrt(np.mean((predicted - R)[unseen] ** 2)))

    alone = ItemKNN(rating_neighbours=0).fit(half).predict(half.histories(), whole(data))
    near = ItemKNN().fit(half).predict(half.histories(), whole(data))
    assert error(near) < 0.9 * error(alone)


@pytest.mark.parametrize("gather", [1, 100, 2**22])
def test_blocks_change_nothing(gather: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = critics()
    strategy = ItemKNN().fit(data)
    wanted = strategy.predict(data.histories(), whole(data))
    monkeypatch.setattr(rating_model, "GATHER", gather)
    np.testing.assert_array_equal(strategy.predict(data.histories(), whole(data)), wanted)
    rows = np.arange(data.n_users)[::-3]
    np.testing.assert_array_equal(strategy.predict(data.histories().take(rows), whole(data)[rows]), wanted[rows])


def test_padding_is_nan_and_asks_for_nothing() -> None:
    data = critics()
    strategy = ItemKNN().fit(data)
    items = np.array([[3, -1, 4], [-1, -1, -1]], dtype=np.int32)
    predicted = strategy.predict(data.histories(np.array([5, 6])), items)
    assert np.isnan(predicted).tolist() == [[False, True, False], [True, True, True]]
    np.testing.assert_array_equal(predicted[0, [0, 2]], strategy.predict(data.histories(), whole(data))[5, [3, 4]])
    assert strategy.predict(data.histories(np.array([], dtype=int)), np.empty((0, 4), np.int32)).shape == (0, 4)
    assert strategy.predict(data.histories(np.array([1])), np.empty((1, 0), np.int32)).shape == (1, 0)


def test_new_users_and_unrated_items_are_answered() -> None:
    data = critics()
    strategy = ItemKNN().fit(data)
    ask = np.arange(data.n_items, dtype=np.int32)[None]
    stranger = strategy.predict(Histories.of([[]], data.n_items), ask)[0]
    np.testing.assert_allclose(stranger, usual(table(data, positive=False)), atol=1e-5)
    unrated = data.item_ids.index("i25")
    assert stranger[unrated] == pytest.approx(np.nanmean(table(data, positive=False)), abs=1e-5)
    rated = Request(history=tuple(Event("x", f"i{i}", "rating", value=v) for i, v in ((1, 5.0), (3, 5.0), (2, 1.0))))
    histories = Histories.from_requests([rated], data.item_ids, data.kinds)
    odd, even = (data.item_ids.indices([f"i{i}" for i in range(start, 25, 2)]) for start in (5, 4))
    answer = strategy.predict(histories, ask)[0] - stranger
    assert answer[odd].mean() > 0.3
    assert answer[even].mean() < 0


def test_only_ratings_speak_not_money() -> None:
    data = critics()
    strategy = ItemKNN().fit(data)
    ask = np.arange(data.n_items, dtype=np.int32)[None]
    bought = Request(history=(Event("x", "i1", "purchase", value=5.0), Event("x", "i2", "view")))
    histories = Histories.from_requests([bought], data.item_ids, data.kinds)
    np.testing.assert_array_equal(strategy.predict(histories, ask), strategy.predict(Histories.of([[]], 26), ask))
    assert np.isnan(histories.ratings).all()
    kinds = data.positive["kind"].to_numpy()
    assert np.isnan(data.histories().ratings).tolist() == (kinds != "rating").tolist()


def test_no_ratings_no_predictions() -> None:
    data = small_shop()
    strategy = ItemKNN().fit(data)
    assert np.isnan(strategy.predict(data.histories(), whole(data))).all()
    low = critics(minimum=99.0)  # ratings there are, but no history holds one
    predicted = ItemKNN().fit(low).predict(low.histories(), whole(low))
    np.testing.assert_allclose(predicted, np.tile(usual(table(low, positive=False)), (low.n_users, 1)), atol=1e-5)


def test_saved_and_loaded_it_predicts_the_same(tmp_path: Path) -> None:
    for data in (critics(3.5), small_shop()):
        strategy = ItemKNN(rating_neighbours=7).fit(data)
        strategy.save(tmp_path / data.fingerprint)
        loaded = ItemKNN.load(tmp_path / data.fingerprint)
        np.testing.assert_array_equal(
            loaded.predict(data.histories(), whole(data)), strategy.predict(data.histories(), whole(data))
        )


def test_a_wrong_shape_is_refused() -> None:
    data = critics()
    strategy = ItemKNN().fit(data)
    assert isinstance(strategy, Rater)
    for items in (np.zeros(3, np.int32), np.zeros((2, 3), np.int32)):
        with pytest.raises(SettingError, match=r"items have shape .*\(3, m\): one row for each history"):
            strategy.predict(data.histories(np.array([0, 1, 2])), items)


def test_the_leaderboard_shows_rmse_and_mae() -> None:
    data = critics()
    made = split(data, "leave-last-out", n=2)
    strategy = ItemKNN().fit(made.train)
    held = HeldOutRatings.of(data, made)
    judged = evaluate(made, {"item-knn": strategy}, ["ndcg@5", "rmse", "mae"], ratings=held)
    errors = []
    for row, item, value in zip(held.rows, held.items, held.values, strict=True):
        one = made.histories.take(np.array([row]))
        errors.append(strategy.predict(one, np.array([[item]], dtype=np.int32))[0, 0] - value)
    assert judged.value("item-knn", "rmse") == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    assert judged.value("item-knn", "mae") == pytest.approx(np.mean(np.abs(errors)))


def movielens_fold(folder: Path, fold: int) -> tuple[Dataset, pl.DataFrame]:
    columns = ["user", "item", "value", "time"]
    parts = [
        pl.read_csv(folder / f"u{fold}.{part}", separator="\t", has_header=False, new_columns=columns)
        for part in ("base", "test")
    ]
    base, test = (part.with_columns(pl.col("user", "item").cast(pl.String), kind=pl.lit("rating")) for part in parts)
    everybody = pl.concat([base, test])
    return Dataset.of(base, everybody.select("item").unique(), everybody.select("user").unique()), test


@pytest.mark.data
def test_movielens_first_fold_beats_the_bias_model(data_dir: Path) -> None:
    data, test = movielens_fold(data_dir / "ml-100k" / "raw", 1)
    test = test.with_columns(column=pl.int_range(pl.len()).over("user"))
    users, items, columns = data.user_ids.indices(test["user"]), data.item_ids.indices(test["item"]), test["column"]
    asked = np.full((data.n_users, columns.max() + 1), -1, dtype=np.int32)
    asked[users, columns] = items

    def rmse(strategy: ItemKNN) -> float:
        predicted = strategy.fit(data).predict(data.histories(), asked)[users, columns]
        return float(np.sqrt(np.mean((predicted - test["value"].to_numpy()) ** 2)))

    assert rmse(ItemKNN()) == pytest.approx(0.9245, abs=5e-4)
    assert rmse(ItemKNN(rating_neighbours=0)) == pytest.approx(0.9537, abs=5e-4)
