"""From slates and clicks to a sentence."""

import json

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError
from recloop.experiments.interleaving import METHODS, Interleaving, read_out, team_draft
from recloop.experiments.interleaving.earned import earned, per_user
from recloop.stats import Moments, one_sample

from .shop import run

TASTE = {"a": 0.5, "b": 0.4, "c": 0.1, "d": 0.1, "e": 0.05}
BETTER, WORSE = list("abcde"), list("cedab")


def seen(*events: tuple, columns: str = "user item kind value time decision") -> pl.DataFrame:
    types = {"value": pl.Float64, "time": pl.Float64}
    schema = {name: types.get(name, pl.String) for name in columns.split()}
    return pl.DataFrame(events, schema=schema, orient="row")


@pytest.fixture
def slates() -> pl.DataFrame:
    """Two slates of ann and one of bob: (a, b) by popular and blend, twice; (b, a) the other way round."""
    one = json.dumps([[0.5, -0.5], [-0.5, 0.5]])
    return pl.DataFrame(
        [("d1", "ann", 0.0, ["a", "b"], one), ("d2", "ann", 100.0, ["a", "b"], one), ("d3", "bob", 5.0, ["b", "a"], one)],
        schema=["id", "user", "time", "items", "arm"],
        orient="row",
    )  # fmt: skip


TEST = Interleaving(name="home", policies=("popular", "blend"), minimum_users=2, window=50)


def won(slates: pl.DataFrame, events: pl.DataFrame, test: Interleaving = TEST) -> dict[str, float]:
    return dict(earned(test, slates, events).select("decision", "credit.blend").iter_rows())


def test_credit_goes_to_the_decision_that_the_event_names(slates: pl.DataFrame) -> None:
    assert won(slates, seen(("ann", "b", "click", None, 101.0, "d2"))) == {"d1": 0, "d2": 0.5, "d3": 0}


def test_or_to_the_latest_that_showed_the_item(slates: pl.DataFrame) -> None:
    assert won(slates, seen(("ann", "a", "click", None, 40.0, None))) == {"d1": -0.5, "d2": 0, "d3": 0}
    assert won(slates, seen(("ann", "a", "click", None, 60.0, None))) == {"d1": 0, "d2": 0, "d3": 0}  # too late


def test_an_item_counts_once_per_kind_with_its_worth(slates: pl.DataFrame) -> None:
    test = Interleaving(name="home", policies=("popular", "blend"), credit={"click": 1, "purchase": 3})
    twice = [("bob", "a", "click", None, 6.0, "d3")] * 2
    bought = [("bob", "a", "purchase", 9.0, 7.0, "d3"), ("bob", "a", "view", None, 7.0, "d3")]
    assert won(slates, seen(*twice, *bought), test)["d3"] == 0.5 + 1.5
    assert won(slates, seen(*twice, *bought))["d3"] == 0.5


def test_users_are_the_unit(slates: pl.DataFrame) -> None:
    events = seen(("ann", "b", "click", None, 1.0, "d1"), ("ann", "b", "click", None, 101.0, "d2"))
    table = per_user(TEST, earned(TEST, slates, events))
    row = table.row(by_predicate=pl.col("user") == "ann", named=True)
    assert (row["slates"], row["credit.blend"], row["credit.popular"]) == (2, 1.0, -1.0)
    assert (row["blend>popular"], row["popular>blend"], row["informative"]) == (2, 0, 2)
    told = read_out(TEST, slates, events, now=0.0)
    oracle = one_sample(Moments.of([2.0, 0.0], [2.0, 1.0]))
    assert told.preferences[0].fixed == oracle
    assert told.users == 2
    assert told.slates == 3


@pytest.mark.parametrize("method", METHODS)
def test_the_scores_of_the_bulk_are_those_of_each_slate(method: str) -> None:
    rng = np.random.default_rng(5)
    test = Interleaving(name="home", policies=("x", "y"), method=method)
    decisions, events = [], []
    expected = {}
    for at in range(60):
        rankings = [rng.permutation(list("abcdef"))[:5].tolist() for _ in range(2)]
        made = METHODS[method](rankings, 4, rng)
        clicked = np.flatnonzero(rng.random(len(made.items)) < 0.4).tolist()
        decisions.append((f"d{at}", "u", float(at), list(made.items), made.ballot()))
        events += [("u", made.items[place], "click", None, at + 0.5, f"d{at}") for place in clicked]
        expected[f"d{at}"] = made.score(clicked)
    frame = pl.DataFrame(decisions, schema=["id", "user", "time", "items", "arm"], orient="row")
    for decision, x, y in earned(test, frame, seen(*events)).select("decision", "credit.x", "credit.y").iter_rows():
        np.testing.assert_allclose([x, y], expected[decision], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_better_policy_is_preferred(method: str) -> None:
    test = Interleaving(name="home", policies=("popular", "blend"), method=method, planned_users=400)
    told = read_out(test, *run(test, [WORSE, BETTER], TASTE, 400, np.random.default_rng(1)), now=9.0)
    assert told.verdict.verdict == "prefer"
    assert told.verdict.treatment == "blend"
    assert told.verdict.sentence.startswith("Prefer blend. It earned ")
    (pair,) = told.preferences
    assert pair.effect.low > 0
    assert pair.effect == pair.sequential
    assert pair.won > pair.lost
    assert pair.won + pair.lost + pair.even == told.slates
    assert not told.hidden
    json.dumps(told.to_dict(), allow_nan=False)


@pytest.mark.parametrize("method", ["team-draft", "probabilistic", "pairwise"])
def test_of_three_the_best_is_preferred_and_pairs_are_adjusted(method: str) -> None:
    test = Interleaving(name="home", policies=("bad", "good", "middle"), method=method, planned_users=600)
    rankings = [list("edcba"), BETTER, list("bcdea")]
    told = read_out(test, *run(test, rankings, TASTE, 600, np.random.default_rng(2)), now=9.0)
    assert told.verdict.treatment == "good"
    assert len(told.preferences) == 3
    raw = [one.effect.p_value for one in told.preferences]
    assert all(one.p_adjusted >= p for one, p in zip(told.preferences, raw, strict=True))
    assert told.of("good", "bad").preferred(0.05) == "good"
    assert "bad" in told.verdict.sentence and "middle" in told.verdict.sentence


def test_the_verdicts_of_a_test_without_an_answer() -> None:
    test = Interleaving(name="home", policies=("popular", "blend"), planned_users=300)
    decisions, events = run(test, [BETTER, BETTER], TASTE, 200, np.random.default_rng(3))
    early = read_out(test, decisions.filter(pl.col("time") < 500), events, now=0.0)
    assert early.verdict.sentence == (
        "Keep running. It is too early to say anything: 50 users came, and 100 are needed."
    )
    halfway = read_out(test, decisions, events, now=0.0)
    assert halfway.verdict.verdict == "keep_running"
    assert halfway.verdict.sentence.startswith("Keep running. 200 of 300 planned users came. blend against popular: +0")
    ended = read_out(test, decisions, events, now=0.0, stopped=True)
    assert ended.verdict.verdict == "no_preference"
    assert ended.informative == 0  # one and the same ranking tells nothing
    assert ended.preferences[0].effect.estimate == 0
    empty = read_out(test, decisions.head(0), events.head(0), now=0.0, stopped=True)
    assert empty.verdict.sentence == "No clear preference. 0 users came, too few to compare."


def test_the_fixed_rule_waits_for_the_planned_users() -> None:
    test = Interleaving(name="home", policies=("popular", "blend"), planned_users=400, rule="fixed")
    decisions, events = run(test, [WORSE, BETTER], TASTE, 400, np.random.default_rng(1))
    before = read_out(test, decisions.filter(pl.col("time") < 3000), events, now=0.0)
    assert (before.basis, before.verdict.verdict) == ("always valid", "keep_running")
    after = read_out(test, decisions, events, now=0.0)
    assert (after.basis, after.verdict.verdict) == ("fixed", "prefer")
    assert after.preferences[0].effect == after.preferences[0].fixed


def test_nothing_sent_is_not_zero(slates: pl.DataFrame) -> None:
    told = read_out(TEST, slates, seen(), now=0.0)
    assert told.verdict.verdict == "invalid"
    assert told.verdict.sentence == "Do not read this test. No event of kind click was ever sent."
    assert told.preferences == ()


def test_lost_slates_are_an_alarm() -> None:
    """A client that reports only slates which begin with one policy's item."""
    test = Interleaving(name="home", policies=("popular", "blend"))
    decisions, events = run(test, [WORSE, BETTER], TASTE, 400, np.random.default_rng(1))
    told = read_out(test, decisions.filter(pl.col("items").list.first() == "a"), events, now=0.0)
    assert told.verdict.verdict == "invalid"
    assert "favour blend whatever is clicked" in told.hidden


def test_slates_that_were_not_interleaved_are_left_out_and_told(slates: pl.DataFrame) -> None:
    alone = slates.with_columns(id=pl.col("id") + "x", arm=pl.lit(""))
    told = read_out(TEST, pl.concat([slates, alone]), seen(("ann", "b", "click", None, 1.0, "d1")), now=0.0)
    assert (told.slates, told.skipped) == (3, 3)
    assert any(one.level == "yellow" and one.sentence.startswith("3 of 6 slates") for one in told.checks)


def test_what_another_slate_showed_later_is_not_earned_here(slates: pl.DataFrame) -> None:
    outside = pl.DataFrame([("x1", "ann", 10.0, ["b"], None)], schema=slates.schema, orient="row")
    told = read_out(TEST, pl.concat([slates, outside]), seen(("ann", "b", "click", None, 11.0, None)), now=0.0)
    assert (told.slates, told.skipped, told.preferences[0].won) == (3, 0, 0)


def test_policies_may_be_called_what_they_like(slates: pl.DataFrame) -> None:
    test = Interleaving(name="home", policies=("user", "slates"), minimum_users=2)
    told = read_out(test, slates, seen(("ann", "b", "click", None, 1.0, "d1")), now=0.0)
    assert (told.preferences[0].policy, told.preferences[0].won) == ("slates", 1)


def test_nobody_came() -> None:
    told = read_out(TEST, pl.DataFrame(schema={"id": pl.String, "user": pl.String, "time": pl.Float64,
                                               "items": pl.List(pl.String), "arm": pl.String}), seen(), now=0.0)  # fmt: skip
    assert told.verdict.sentence == "Keep running. It is too early to say anything: 0 users came, and 2 are needed."


def test_what_cannot_be_read(slates: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="the decisions have no column arm; needed: id, user, time, items, arm"):
        earned(TEST, slates.drop("arm"), seen())
    with pytest.raises(DataError, match="the events have no column kind"):
        earned(TEST, slates, seen().drop("kind"))
    with pytest.raises(DataError, match="3 decisions have an id that came before"):
        earned(TEST, pl.concat([slates, slates]), seen())
    with pytest.raises(DataError, match="the arm of a decision is no ballot; was it made by 'team-draft' interleaving"):
        earned(TEST, slates.with_columns(arm=pl.lit("left")), seen())
    three = Interleaving(name="home", policies=("a", "b", "c"))
    with pytest.raises(DataError, match="a ballot does not fit its slate; credits of 3 policies for each place"):
        earned(three, slates, seen())


def test_the_ballot_of_a_slate_is_short() -> None:
    made = team_draft(["abcdefghij", "bacdefghji"], 10, np.random.default_rng(0))
    assert len(made.ballot()) < 130
    assert json.loads(made.ballot()) == made.credits.tolist()
