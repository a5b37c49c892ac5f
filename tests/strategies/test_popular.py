import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.errors import SettingError
from recloop.strategies.popular import DAY, Popular
from recloop.testing.strategy import small_shop
from recloop.types import Request


def log(**columns) -> Dataset:
    return Dataset.of(pl.DataFrame(columns))


OLD_AND_NEW = {
    "user": ["a", "b", "c", "d", "e"],
    "item": ["old", "old", "old", "new", "rare"],
    "time": [0.0, 0.0, 0.0, 30 * DAY, 20 * DAY],
}


def order(strategy: Popular, data: Dataset, **request) -> list[str]:
    return list(strategy.fit(data).recommend([Request(k=data.n_items, **request)])[0].ids)


def test_all_time_counts_everything() -> None:
    data = log(**OLD_AND_NEW)
    assert order(Popular(), data)[0] == "old"
    scores = Popular().fit(data).score([Request()])[0]
    np.testing.assert_allclose(scores[data.item_ids.indices(["old", "new", "rare"])], [1, 1 / 3, 1 / 3])


def test_a_window_forgets_and_the_rest_follows_by_all_time() -> None:
    assert order(Popular(window=7), log(**OLD_AND_NEW)) == ["new", "old", "rare"]
    assert order(Popular(window=10), log(**OLD_AND_NEW)) == ["new", "rare", "old"]  # its edge is in


def test_half_life() -> None:
    data = log(**OLD_AND_NEW)
    scores = Popular(half_life=10).fit(data).score([Request()])[0]
    np.testing.assert_allclose(scores[data.item_ids.indices(["new", "rare", "old"])], [1, 1 / 2, 3 / 8], rtol=1e-6)


def test_without_times_plain_counts() -> None:
    data = log(user=["a", "b", "c"], item=["x", "x", "y"])
    np.testing.assert_array_equal(
        Popular(window=1, half_life=1).fit(data).score([Request()]), Popular().fit(data).score([Request()])
    )


def test_weights_of_kinds_count() -> None:
    from recloop.data.kinds import Kinds

    events = pl.DataFrame(
        {"user": ["a", "b", "c"], "item": ["viewed", "viewed", "bought"], "kind": ["view", "view", "purchase"]}
    )
    data = Dataset.of(events, kinds=Kinds(weights={"view": 0.2, "purchase": 1.0}))
    assert order(Popular(), data) == ["bought", "viewed"]


def test_segments_have_their_own_order() -> None:
    users = pl.DataFrame({"user": [f"u{n}" for n in range(20)], "age": ["young", "old"] * 10})
    events = pl.DataFrame({"user": [f"u{n}" for n in range(20)], "item": ["game", "book"] * 9 + ["game", "game"]})
    data = Dataset.of(events, users=users)
    strategy = Popular(segment="age", smoothing=1.0)
    assert order(strategy, data, profile={"age": "young"}) == ["game", "book"]
    assert order(strategy, data, profile={"age": "old"}) == ["book", "game"]
    everyone = order(strategy, data)
    assert everyone == ["game", "book"]
    assert order(strategy, data, profile={"age": "unheard of"}) == everyone
    assert order(strategy, data, profile={"age": ""}) == everyone
    assert order(strategy, data, profile={"planet": "Mars"}) == everyone
    ranked = strategy.rank(data.histories(profiles=True), 1, hide_seen=False)
    assert [data.item_ids[item] for item in ranked.items[:2, 0]] == ["game", "book"]


def test_smoothing_draws_a_small_segment_to_everyone() -> None:
    users = pl.DataFrame({"user": [f"u{n}" for n in range(101)], "age": ["many"] * 100 + ["one"]})
    events = pl.DataFrame({"user": [f"u{n}" for n in range(101)], "item": ["hit"] * 100 + ["odd"]})
    data = Dataset.of(events, users=users)
    assert order(Popular(segment="age", smoothing=100), data, profile={"age": "one"})[0] == "hit"
    assert order(Popular(segment="age", smoothing=0), data, profile={"age": "one"})[0] == "odd"


def test_an_unknown_segment_is_refused() -> None:
    with pytest.raises(SettingError, match=r"the users have no attribute 'agee'.*Did you mean 'age'"):
        Popular(segment="agee").fit(small_shop())
    with pytest.raises(SettingError, match="give a table of users"):
        Popular(segment="age").fit(log(user=["a"], item=["x"]))
