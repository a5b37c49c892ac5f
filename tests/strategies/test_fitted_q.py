"""Fitted Q over logged slates: the laws, the slate problem against every slate, and the long term in a known world."""

from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.errors import DataError
from recloop.simulate.temptation import Temptation
from recloop.strategies.fitted_q.features import outcomes, sums
from recloop.strategies.fitted_q.slate import best_slates
from recloop.strategies.fitted_q.strategy import FittedQ
from recloop.strategies.logged import steps_of
from recloop.testing import StrategyContract
from recloop.testing.strategy import small_shop, with_slates


class TestFittedQ(StrategyContract):
    make = FittedQ
    settings: ClassVar[dict[str, Any]] = {"iterations": 4, "factors": 4, "width": 4}
    feed = staticmethod(with_slates)


def test_the_best_slate_is_the_best_of_all_slates() -> None:
    rng = np.random.default_rng(0)
    v, q, nothing = np.exp(rng.normal(size=(30, 9))), rng.normal(size=(30, 9)) * 5, rng.normal(size=30) * 5
    found = best_slates(v, q, nothing, 3)
    for row in range(30):
        every = [
            (nothing[row] + (v[row, list(a)] * q[row, list(a)]).sum()) / (1 + v[row, list(a)].sum())
            for a in combinations(range(9), 3)
        ]
        assert found[row] == pytest.approx(max(every))


def test_returns_and_what_was_known() -> None:
    events = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "time": [10.0, 20.0, 12.0]})
    data = Dataset.of(events)
    slates = pl.DataFrame(
        {
            "slate": ["1", "2", "3", "4"],
            "user": ["a", "a", "a", "b"],
            "item": ["x", "y", "x", "x"],
            "position": [1, 1, 1, 1],
            "click": [1, 1, 0, 1],
            "time": [9.0, 19.0, 29.0, 11.0],
        }
    )
    from recloop.data.slates import SlateLog

    data = data.with_slates(SlateLog.of(slates, data.user_ids, data.item_ids))
    steps = steps_of(data, "s", window=10, away=0.0)
    assert steps.returns(0.5).tolist() == [1.5, 1.0, 0.0, 1.0]
    assert steps.before.lengths.tolist() == [0, 1, 2, 0]
    assert steps.after.lengths.tolist() == [1, 2, 2, 1]
    assert steps.follows.tolist() == [1, 2, -1, -1]
    assert steps.ended.tolist() == [False, False, False, True]  # the last slate of all tells nothing of leaving
    # the newest item counts most; by hand at the first speed
    np.testing.assert_allclose(sums(steps.before, np.array([[1.0], [0.0]]))[:, 0], [0, 0.5, 0.25, 0])


def test_outcomes_tell_what_harms() -> None:
    world = Temptation(items=3)
    steps = steps_of(world.log(400, np.random.default_rng(1)), "s", window=30, away=7.0)
    clicked, _, later = outcomes(steps, steps.returns(0.97), 6).T
    assert clicked[world.sorts < 0].min() > clicked[world.sorts > 0].max()
    assert later[world.sorts < 0].max() < later[world.sorts > 0].min()


def test_the_long_term_beats_the_myopic_ranker_where_temptation_harms() -> None:
    world = Temptation(items=4)
    data = world.log(500, np.random.default_rng(0))
    far = FittedQ(iterations=25).fit(data)
    near = FittedQ(discount=0.0).fit(data)
    clicks = {
        name: world.play(strategy, 200, np.random.default_rng(3), most=150)[0].mean() / world.optimum
        for name, strategy in (("far", far), ("near", near))
    }
    assert clicks["near"] < 0.3
    assert clicks["far"] > 0.55  # lives end here after 150 slates


def test_without_slates_or_times_it_says_what_it_needs() -> None:
    with pytest.raises(DataError, match=r"'fitted-q' learns from slates.*\[data\] slates = "):
        FittedQ().fit(small_shop())
    data = with_slates(small_shop())
    timeless = data.with_events(data.events.with_columns(time=pl.lit(None, pl.Float64)))
    with pytest.raises(DataError, match="the event log lacks times"):
        FittedQ().fit(timeless.with_slates(data.slates))
