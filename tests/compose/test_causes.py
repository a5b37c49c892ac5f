"""Causes are what the policy does when something is taken away."""

import numpy as np
import polars as pl
import pytest

from recloop.compose import build, policy_config
from recloop.compose.causes import Cause, causes
from recloop.compose.rules import Rules
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.strategies import make
from recloop.strategies.base import Strategy
from recloop.testing.strategy import small_shop


class Votes(Strategy):
    """Every item of the history votes for items by a table: what moves what is known."""

    name = "votes"
    summary = "a table of votes"

    def _fit(self, dataset, progress):
        del progress
        self._table = np.zeros((dataset.n_items, dataset.n_items), np.float32)

    def _score(self, histories):
        return np.asarray(histories.matrix() @ self._table, dtype=np.float32)


class Worded(Votes):
    """Votes that are said to come from words."""

    name = "worded"

    def shared_words(self, histories, items):
        del histories
        return [
            {
                "red": (0.9, frozenset({0})),
                "the": (9.0, frozenset({0})),
                "mug": (0.3, frozenset({0, 1})),
                "tea": (5.0, frozenset({3})),
            }
            for _ in items
        ]


def table(strategy=Votes, **votes: float):
    """A policy over eight items; ``i0_4=1`` means that item 0 in the history gives item 4 one point."""
    log = pl.DataFrame({"user": ["u"] * 8, "item": [f"i{n}" for n in range(8)]})
    voting = strategy().fit(Dataset.of(log))
    for pair, points in votes.items():
        one, other = pair.removeprefix("i").split("_")
        voting._table[int(one), int(other)] = points
    return build(policy_config({"sources": ["votes"], "fallback": ""}), {"votes": voting})


def explained(policy, own: list[int], k: int = 2, **rules) -> list[Cause]:
    history = Histories.of([own], n_items=8)
    slate = policy.choose({}, history, k, np.random.default_rng(0), **rules)
    return causes(policy, history, slate, rules=Rules(**rules))


def test_the_one_event_that_votes_for_an_item_is_named():
    policy = table(i0_4=3.0, i1_5=2.0, i2_6=1.0)
    first, second = explained(policy, [0, 1, 2])
    assert (first.item, first.events, first.rank, first.without) == (4, (0,), 1, 4)
    assert (second.item, second.events, second.rank, second.without) == (5, (1,), 2, 4)


def test_events_that_carry_an_item_together_are_named_together_the_heavier_first():
    policy = table(i0_4=0.5, i1_4=0.6, i2_4=0.4, i3_5=0.1)
    (cause,) = explained(policy, [0, 1, 2, 3], k=1)
    assert cause.item == 4
    assert cause.events == (1, 0)  # 1.4 points over 0.1: without 1 a lead of 0.8, without both of 0.3


def test_where_no_three_events_matter_none_is_named():
    policy = table(**{f"i{event}_7": 1.0 for event in range(7)})
    (cause,) = explained(policy, list(range(7)), k=1)
    assert (cause.item, cause.events, cause.rank, cause.without) == (7, (), 1, 1)


def test_an_event_that_speaks_against_an_item_is_not_its_cause():
    policy = table(i0_4=1.0, i1_4=-0.5, i1_5=0.2, i2_5=0.1)
    named = {cause.item: cause.events for cause in explained(policy, [0, 1, 2])}
    assert named == {4: (0,), 5: (1,)}


def test_all_events_of_one_item_go_together():
    policy = table(i0_4=1.0, i1_5=0.9)
    first, _ = explained(policy, [0, 0, 1, 0])
    assert (first.item, first.events) == (4, (0,))


def test_what_is_left_out_stays_hidden_and_rules_are_kept():
    policy = table(i0_4=1.0, i0_1=9.0, i1_0=9.0, i1_5=0.9, i1_6=8.0)
    first, second = explained(policy, [0, 1], allowed=np.arange(8) != 6)
    assert (first.item, second.item) == (4, 5)
    assert (first.events, second.events) == ((0,), (1,))
    limited = explained(policy, [0, 1], candidates=[[4, 5]], exclude=[[5]])
    assert [cause.item for cause in limited] == [4]
    assert limited[0].events == (0,)  # nothing else may be shown, and without it there is no point left


def test_nothing_is_said_of_an_empty_history_or_an_empty_slate():
    policy = table(i0_4=1.0)
    assert all(cause.events == () and cause.without == cause.rank for cause in explained(policy, []))
    assert explained(policy, [0], candidates=[[]]) == []


def test_chance_moves_nothing():
    data = small_shop(users=12)
    policy = build(policy_config({"sources": ["random"], "fallback": ""}), {"random": make("random").fit(data)})
    history = data.histories(np.array([3]))
    slate = policy.choose({}, history, 5, np.random.default_rng(0))
    assert all(cause.events == () for cause in causes(policy, history, slate))


def test_what_would_cost_calls_is_not_asked_again():
    class Outside(Votes):
        name = "outside"
        asks_outside = True
        calls = 0

        def _score(self, histories):
            type(self).calls += 1
            return super()._score(histories)

    policy = table(Outside, i0_4=1.0)
    assert policy.asks_outside
    (cause, _) = explained(policy, [0, 1])
    assert cause.events == () and Outside.calls == 1


def test_words_are_named_where_they_move_the_score_and_belong_to_the_events():
    policy = table(Worded, i0_4=1.0, i1_5=0.8, i3_7=0.1)
    first, second = explained(policy, [0, 1, 3])
    assert (first.item, first.events, first.words) == (4, (0,), ("red",))
    assert (second.item, second.events) == (5, (1,))
    assert second.words == ()  # what it shares with that event is too little to move it


@pytest.mark.parametrize("name", ["transitions", "item-knn", "ease"])
@pytest.mark.parametrize("diversity", [0.0, 0.4])
def test_what_is_named_moves_the_item_when_it_is_taken_out(name, diversity):
    data = small_shop(users=60)
    vectors = np.random.default_rng(0).normal(size=(data.n_items, 4)).astype(np.float32)
    strategy = make(name).fit(data)
    policy = build(
        policy_config({"sources": [name], "fallback": "", "diversity": diversity}), {name: strategy}, vectors
    )
    histories, named = data.histories(), 0
    for row in range(len(histories)):
        one = histories.block(row, row + 1)
        slate = policy.choose({}, one, 4, np.random.default_rng(0))
        for cause in causes(policy, one, slate):
            if not cause.events:
                continue
            named += 1
            kept = [item for item in one.items.tolist() if item not in cause.events]
            again = Histories.of([kept], n_items=data.n_items)
            ranked = (
                policy.choose({}, again, 50, np.random.default_rng(0), exclude=[one.items]).rankings.items[0].tolist()
            )
            place = ranked.index(cause.item) + 1 if cause.item in ranked else None
            assert place == cause.without
            out = [*one.items, *slate.rankings.items[0]]
            before, after = (
                scores[cause.item] - np.delete(scores, out).max()
                for scores in (strategy.score(part)[0].astype(float) for part in (one, again))
            )
            assert place is None or place > cause.rank or after <= before / 2
    assert named > 20
