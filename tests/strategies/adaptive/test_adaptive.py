"""Few ratings, new items, other domains and strange data, on a shop with known tastes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.errors import ArtifactError, DataError, SettingError
from recloop.evaluate.ranker import Rater
from recloop.strategies.adaptive.strategy import Adaptive
from recloop.strategies.item_knn import ItemKNN
from recloop.types import Event, Request

from .shop import rated_shop

QUICK: dict[str, Any] = {"factors": 4, "rounds": 8, "encoder": ""}
Episodes = tuple[Histories, np.ndarray, np.ndarray]


def first_users(data: Dataset, n: int) -> Dataset:
    return data.with_events(data.events.filter(pl.col("user") < n))


def episodes(data: Dataset, first: int, support: int, query: int = 6) -> Episodes:
    """The first ratings of each user from ``first`` on as a history, the last ones as what is asked, and the answers."""
    whole = data.histories(np.arange(first, data.n_users), profiles=True)
    each = int(whole.lengths[0])
    items, given = whole.items.reshape(-1, each), whole.ratings.reshape(-1, each)
    told = replace(
        Histories.of(items[:, :support].tolist(), data.n_items),
        ratings=given[:, :support].ravel(),
        profiles=whole.profiles,
    )
    return told, items[:, -query:], given[:, -query:].astype(float)


def error(strategy: Rater, told: Episodes) -> float:
    histories, asked, answers = told
    return float(np.abs(strategy.predict(histories, asked) - answers).mean())


def test_new_users_are_foretold_better_than_by_biases_or_neighbours() -> None:
    data = rated_shop(users=400)
    known, told = first_users(data, 250), episodes(data, 250, support=6)
    own = error(Adaptive(**QUICK).fit(known), told)
    assert own < 0.9 * error(ItemKNN(rating_neighbours=0).fit(known), told)
    assert own < 0.95 * error(ItemKNN().fit(known), told)


def test_each_rating_helps_and_the_profile_helps_before_the_first() -> None:
    data = rated_shop(users=400)
    strategy = Adaptive(**QUICK, error="squared").fit(first_users(data, 250))

    def squared(support: int, *, profile: bool = True) -> float:
        histories, asked, answers = episodes(data, 250, support)
        histories = histories if profile else replace(histories, profiles={})
        return float(np.mean((strategy.predict(histories, asked) - answers) ** 2))

    errors = [squared(0, profile=False), *(squared(support) for support in (0, 2, 5, 14))]
    assert (np.diff(errors) < -0.01).all()


def test_items_that_nobody_rated_are_foretold_from_their_attributes() -> None:
    data = rated_shop(users=400)
    known = data.events.filter((pl.col("user") < 250) & (pl.col("item") < 45))
    histories, asked, answers = episodes(data, 250, support=14)
    asked = np.where(asked >= 45, asked, -1)  # of the new items only
    strategy = Adaptive(**QUICK, error="squared").fit(data.with_events(known))
    predicted = strategy.predict(histories, asked)
    assert np.isnan(predicted[asked < 0]).all()
    new = asked >= 0
    plain = ItemKNN(rating_neighbours=0).fit(data.with_events(known)).predict(histories, asked)
    assert np.mean((predicted - answers)[new] ** 2) < 0.75 * np.mean((plain - answers)[new] ** 2)


def test_medians_err_less_than_means() -> None:
    data = rated_shop(users=500)
    known, told = first_users(data, 300), episodes(data, 300, support=10)
    strategy = Adaptive(**QUICK).fit(known)
    predicted = strategy.predict(told[0], told[1])
    assert set(np.unique(predicted)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert error(strategy, told) < error(Adaptive(**QUICK, error="squared").fit(known), told) - 0.02


def test_means_stay_on_the_scale() -> None:
    data = rated_shop(users=60, items=20, each=10)
    strategy = Adaptive(**QUICK, error="squared").fit(data)
    low, high = (
        strategy.predict(
            Histories.from_requests(
                [Request(history=tuple(Event("x", item, "rating", value=value) for item in data.item_ids.ids))],
                data.item_ids,
                data.kinds,
            ),
            np.arange(20)[None],
        )
        for value in (-50.0, 50.0)
    )
    assert (low == 1).all()
    assert (high == 5).all()


def test_caution_lowers_what_is_little_known() -> None:
    full = rated_shop(users=80, items=30, each=10)
    rare = full.with_events(full.events.filter((pl.col("item") != 7) | (pl.col("user") < 3)))

    def lowered(data: Dataset) -> np.ndarray:
        bold, careful = (Adaptive(**QUICK, caution=caution).fit(data) for caution in (0.0, 2.0))
        histories = data.histories(profiles=True)
        return (bold.score(histories) - careful.score(histories)).mean(axis=0)

    assert (lowered(full) > 0).all()
    assert lowered(rare)[7] > 1.2 * lowered(full)[7]


# ---- another domain


def source(folder: Path, **settings: Any) -> str:
    Adaptive(**QUICK, **settings).fit(rated_shop(seed=11, users=400, prefix="a")).save(folder)
    return str(folder)


def test_another_domain_is_foretold_without_an_event_of_its_own(tmp_path: Path) -> None:
    data = rated_shop(seed=22, users=300, prefix="b")
    one = data.with_events(data.events.head(1))
    strategy = Adaptive(rounds=0, source=source(tmp_path / "a")).fit(one)
    histories, asked, answers = episodes(data, 100, support=5)
    predicted = strategy.predict(histories, asked)
    assert set(np.unique(predicted)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    constant = np.abs(np.median(answers) - answers).mean()
    assert np.abs(predicted - answers).mean() < 0.85 * constant


def test_a_few_users_of_the_other_domain_add_to_it(tmp_path: Path) -> None:
    data = rated_shop(seed=22, users=330, prefix="b")
    few, told = first_users(data, 12), episodes(data, 100, support=5)
    place = source(tmp_path / "a", error="squared")

    def squared(strategy: Adaptive) -> float:
        return float(np.mean((strategy.predict(told[0], told[1]) - told[2]) ** 2))

    zero = squared(Adaptive(rounds=0, source=place, error="squared").fit(few))
    shots = squared(Adaptive(rounds=5, source=place, error="squared").fit(few))
    alone = squared(Adaptive(**QUICK, error="squared").fit(few))
    assert shots < zero < alone


def test_what_came_from_another_domain_is_saved_whole(tmp_path: Path) -> None:
    data = rated_shop(seed=22, users=40, prefix="b")
    strategy = Adaptive(rounds=2, source=source(tmp_path / "a")).fit(data)
    strategy.save(tmp_path / "b")
    (tmp_path / "a" / "weights.npz").unlink()
    histories = data.histories(profiles=True)
    np.testing.assert_array_equal(Adaptive.load(tmp_path / "b").score(histories), strategy.score(histories))


def test_a_source_that_says_something_else_is_refused(tmp_path: Path) -> None:
    clicks = Dataset.of(pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"]}))
    with pytest.raises(DataError, match="a log with ratings"):
        Adaptive(rounds=1, source=source(tmp_path / "a")).fit(clicks)
    with pytest.raises(SettingError, match="rounds is 0 and there is no source"):
        Adaptive(rounds=0).fit(clicks)
    with pytest.raises(ArtifactError, match="holds no readable strategy"):
        Adaptive(source=str(tmp_path / "nowhere")).fit(clicks)


# ---- strange data


def ratings(values: list[float], **columns: Any) -> Dataset:
    n = len(values)
    frame = {"user": [f"u{place % 3}" for place in range(n)], "item": [f"i{place % 5}" for place in range(n)]}
    return Dataset.of(pl.DataFrame({**frame, "kind": ["rating"] * n, "value": values, **columns}))


def test_all_ratings_alike() -> None:
    data = ratings([4.0] * 12)
    strategy = Adaptive(**QUICK).fit(data)
    assert (strategy.predict(data.histories(), np.zeros((3, 1), int)) == 4).all()


def test_a_scale_without_steps_keeps_its_means() -> None:
    data = rated_shop(users=40, items=20, each=8, stars=False)
    strategy = Adaptive(**QUICK).fit(data)
    predicted = strategy.predict(data.histories(), np.tile(np.arange(20), (40, 1)))
    assert len(np.unique(predicted)) > 100


def test_the_later_rating_of_an_item_counts() -> None:
    data = rated_shop(users=40, items=20, each=8)
    strategy = Adaptive(**QUICK).fit(data)

    def told(*values: float) -> np.ndarray:
        return strategy.score([Request(history=tuple(Event("x", "i0003", "rating", value=v) for v in values))])

    np.testing.assert_array_equal(told(1.0, 5.0), told(5.0))
    assert not np.allclose(told(1.0), told(5.0))


def test_low_ratings_are_learned_from_where_only_high_ones_count() -> None:
    data = rated_shop(users=60, items=20, each=10)
    events = data.events.with_columns(
        user=pl.Series([data.user_ids[u] for u in data.events["user"]]),
        item=pl.Series([data.item_ids[i] for i in data.events["item"]]),
    ).drop("weight")
    high = Dataset.of(events, data.items, data.users, Kinds(minimum={"rating": 4}))
    strategy = Adaptive(**QUICK, error="squared").fit(high)
    nobody = replace(Histories.of([[]], 20), profiles={})
    assert strategy.predict(nobody, np.arange(20)[None]).mean() == pytest.approx(
        float(data.events["value"].mean()), abs=0.3
    )


def test_texts_of_every_kind() -> None:
    pytest.importorskip("tokenizers")
    titles = ["", None, "🎬🔥", "千と千尋の神隠し", "word " * 20_000, "a plain title", "a plain title"]
    items = pl.DataFrame({"item": [f"i{place}" for place in range(7)], "title": titles})
    events = pl.DataFrame(
        {"user": [f"u{p % 4}" for p in range(12)], "item": [f"i{p % 6}" for p in range(12)], "kind": "rating",
         "value": [float(1 + p % 5) for p in range(12)]}
    )  # fmt: skip
    data = Dataset.of(events, items)
    strategy = Adaptive(factors=2, rounds=3).fit(data)
    scores = strategy.score(data.histories())
    assert np.isfinite(scores).all()
    assert scores[0, 5] != scores[0, 2]


def test_more_attributes_than_it_can_invert_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.strategies.adaptive.representation.MOST", 6)
    strategy = Adaptive(**QUICK, least=1).fit(rated_shop(users=40, items=20, each=8))
    assert len(strategy._representation.attributes) <= 6


def test_predict_checks_its_shape() -> None:
    data = rated_shop(users=40, items=20, each=8)
    strategy = Adaptive(**QUICK).fit(data)
    with pytest.raises(SettingError, match=r"items have shape \(3,\).*\(40, m\)"):
        strategy.predict(data.histories(), np.array([1, 2, 3]))
    clicks = Adaptive(**QUICK).fit(Dataset.of(pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"]})))
    assert np.isnan(clicks.predict(Histories.of([[0]], 2), np.array([[1, -1]]))).all()


def test_a_log_without_ratings_ranks_what_the_like_minded_took() -> None:
    rng = np.random.default_rng(0)
    taste = np.arange(120) % 2
    rows = [(f"u{u}", f"i{i:02}") for u in range(120) for i in rng.permutation(15)[:6] * 2 + taste[u]]
    data = Dataset.of(pl.DataFrame(rows, schema=["user", "item"], orient="row"))
    ranked = Adaptive(**QUICK).fit(data).rank(Histories.of([[0, 2], [1, 3]], 30), 10)
    assert (ranked.items[0] % 2 == 0).mean() >= 0.9
    assert (ranked.items[1] % 2 == 1).mean() >= 0.9
