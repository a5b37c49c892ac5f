"""Laws of splits: no event on both sides, nothing after the cut in training, truth that can be earned."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.data.dataset import Dataset
from recloop.data.kinds import Kinds
from recloop.data.split import SPLITTERS, Split, split
from recloop.data.truth import Truth
from recloop.errors import DataError, MissingError, SettingError

KINDS = Kinds(weights={"view": 0.5, "skip": 0.0})


@st.composite
def logs(draw: Any) -> Dataset:
    n = draw(st.integers(2, 60))
    column = lambda low, high: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))  # noqa: E731
    frame = pl.DataFrame(
        {
            "user": column(0, 7),
            "item": column(0, 9),
            "time": [float(t) for t in column(0, 30)],
            "kind": [("view", "buy", "skip")[k] for k in column(0, 2)],
            "value": [float(v) for v in range(n)],  # tells events apart
        }
    )
    return Dataset.of(frame, kinds=KINDS)


def events(dataset: Dataset) -> set[float]:
    return set(dataset.events["value"].to_list())


def made(dataset: Dataset, name: str, **chosen: Any) -> Split | None:
    """The split, or None where the log is too small for it."""
    try:
        return split(dataset, name, **chosen)
    except DataError as error:
        if "leaves no user to judge" in str(error) or "at one time" in str(error):
            return None
        raise


@pytest.mark.parametrize("name", sorted(SPLITTERS))
@settings(max_examples=60, deadline=None)
@given(dataset=logs(), hide_seen=st.booleans())
def test_laws_of_every_split(name: str, dataset: Dataset, hide_seen: bool) -> None:
    result = made(dataset, name, hide_seen=hide_seen)
    if result is None:
        return
    log, train = dataset.events, result.train.events
    assert events(result.train) <= events(dataset)
    assert train.equals(log.filter(pl.col("value").is_in(train["value"].implode()))), (
        "training keeps the order of the log"
    )
    assert len(result) == len(result.truth) == len(result.users) == len(result.histories) > 0
    assert (np.diff(result.users) > 0).all()
    assert (result.truth.lengths > 0).all(), "nobody is judged by nothing"
    assert (result.truth.weights > 0).all()
    held = log.filter(~pl.col("value").is_in(train["value"].implode()) & (pl.col("weight") > 0))
    for row, user in enumerate(result.users):
        true = result.truth.items[result.truth.indptr[row] : result.truth.indptr[row + 1]]
        past = result.histories.items[result.histories.indptr[row] : result.histories.indptr[row + 1]]
        assert len(set(true.tolist())) == len(true)
        theirs = held.filter(user=int(user))
        assert set(true.tolist()) <= set(theirs["item"].to_list()), "truth comes from events that were not learned from"
        if hide_seen:
            assert not set(true.tolist()) & set(past.tolist())
    assert result.leaks and all(sentence.endswith(".") for sentence in result.leaks)
    assert result.train.item_ids == dataset.item_ids and result.train.user_ids == dataset.user_ids


@settings(max_examples=80, deadline=None)
@given(dataset=logs(), fraction=st.floats(0.05, 0.95), cold=st.booleans())
def test_temporal(dataset: Dataset, fraction: float, cold: bool) -> None:
    result = made(dataset, "temporal", test_fraction=fraction, cold_users=cold)
    if result is None:
        return
    assert result.cut is not None
    assert (result.train.events["time"] <= result.cut).all()
    later = dataset.events.filter(pl.col("time") > result.cut)
    assert result.train.n_events + later.height == dataset.n_events, "each event is on one side"
    assert later.height > 0
    assert np.isnan(result.histories.times).sum() == 0
    assert (result.histories.times <= result.cut).all()
    assert (result.histories.now == result.cut).all()
    assert cold or (result.histories.lengths > 0).all()
    at = np.sort(dataset.events["time"].to_numpy())
    earlier = at[at < result.cut]
    if len(earlier):  # the cut is the last at which no more than asked is held out, or the last possible one
        assert (at > earlier[-1]).mean() >= min(fraction, (at > result.cut).mean()) - 1e-9


@settings(max_examples=60, deadline=None)
@given(dataset=logs(), n=st.integers(1, 2), skip=st.integers(0, 2))
def test_leave_last_out(dataset: Dataset, n: int, skip: int) -> None:
    result = made(dataset, "leave-last-out", n=n, skip=skip, hide_seen=False)
    if result is None:
        return
    for row, user in enumerate(result.users):
        positive = dataset.positive.filter(user=int(user))["item"].to_list()
        held = positive[len(positive) - n - skip : len(positive) - skip]
        truth = result.truth.items[result.truth.indptr[row] : result.truth.indptr[row + 1]].tolist()
        history = result.histories.items[result.histories.indptr[row] : result.histories.indptr[row + 1]].tolist()
        assert truth == sorted(set(held)) and history == positive[: len(positive) - n - skip]
        trained = result.train.positive.filter(user=int(user))["item"].to_list()
        assert trained == history


def test_validation_and_test_of_leave_last_out_are_neighbours() -> None:
    log = Dataset.of(pl.DataFrame({"user": ["u"] * 4 + ["v"] * 4, "item": list("abcdbcda")}))
    test, validation = split(log, "leave-last-out"), split(log, "leave-last-out", skip=1)
    assert [log.item_ids[i] for i in test.truth.items] == ["d", "a"]
    assert [log.item_ids[i] for i in validation.truth.items] == ["c", "d"]
    assert test.train.n_events == 6 and validation.train.n_events == 4
    assert validation.notes == ("2 events are neither learned from, nor known at the request, nor judged",)


@settings(max_examples=40, deadline=None)
@given(dataset=logs(), seed=st.integers(0, 5))
def test_per_user_random(dataset: Dataset, seed: int) -> None:
    result = made(dataset, "per-user-random", test_fraction=0.3, seed=seed, hide_seen=False)
    if result is None:
        return
    counts = np.bincount(dataset.positive["user"].to_numpy(), minlength=dataset.n_users)
    trained = np.bincount(result.train.positive["user"].to_numpy(), minlength=dataset.n_users)
    wanted = np.where(counts >= 2, np.maximum(1, np.floor(counts * 0.3)), 0)
    assert (counts - trained == wanted).all()
    again = split(dataset, "per-user-random", test_fraction=0.3, seed=seed, hide_seen=False)
    assert again.train.events.equals(result.train.events) and (again.truth.items == result.truth.items).all()


@settings(max_examples=40, deadline=None)
@given(dataset=logs(), history=st.one_of(st.none(), st.integers(0, 3)))
def test_cold_users_were_never_learned_from(dataset: Dataset, history: int | None) -> None:
    result = made(dataset, "cold-user", user_fraction=0.4, history=history)
    if result is None:
        return
    assert not set(result.users.tolist()) & set(result.train.events["user"].to_list())
    if history is None:
        assert (result.histories.lengths > 0).all()
    else:
        assert (result.histories.lengths <= history).all()


@settings(max_examples=40, deadline=None)
@given(dataset=logs())
def test_cold_items_were_never_learned_from(dataset: Dataset) -> None:
    result = made(dataset, "cold-item", item_fraction=0.3)
    if result is None:
        return
    assert result.allowed is not None
    cold = set(np.flatnonzero(result.allowed).tolist())
    assert not cold & set(result.train.events["item"].to_list())
    assert set(result.truth.items.tolist()) <= cold
    assert not cold & set(result.histories.items.tolist())


@settings(max_examples=60, deadline=None)
@given(dataset=logs(), user=st.integers(0, 4), item=st.integers(0, 4))
def test_the_core_is_the_largest_that_holds(dataset: Dataset, user: int, item: int) -> None:
    """Against a loop that takes one user or item away at a time."""
    left = dataset.positive.rows(named=True)
    while True:
        users = {r["user"] for r in left if sum(x["user"] == r["user"] for x in left) < user}
        items = {r["item"] for r in left if sum(x["item"] == r["item"] for x in left) < item}
        if not users and not items:
            break
        gone = min(users, default=None)
        left = [r for r in left if (r["user"] != gone if gone is not None else r["item"] != min(items))]
    wanted = {r["value"] for r in left}
    try:
        result = split(dataset, "leave-last-out", min_user_events=user, min_item_events=item, hide_seen=False)
    except DataError as error:
        if "leaves no user" in str(error) or ("no event is left" in str(error) and not wanted):
            return
        raise
    held = {float(v) for v in dataset.events["value"]} - events(result.train)
    assert events(result.train) & {r["value"] for r in dataset.positive.rows(named=True)} <= wanted
    assert len(held & wanted) == len(result.users), "one held out per judged user"


def test_an_event_at_the_moment_of_the_cut_is_learned_from() -> None:
    log = pl.DataFrame({"user": list("aabbab"), "item": list("xyxyzz"), "time": [1.0, 2.0, 2.0, 3.0, 3.0, 3.0]})
    result = split(Dataset.of(log), "temporal", test_fraction=0.4)
    assert result.cut == 2.0 and result.train.n_events == 3


def test_truth_sums_the_weights_of_repeated_items() -> None:
    log = pl.DataFrame(
        {
            "user": list("uuuuv"),
            "item": list("abbca"),
            "time": [1.0, 2.0, 2.1, 2.2, 1.0],
            "kind": ["view", "view", "buy", "skip", "buy"],
        }
    )
    result = split(Dataset.of(log, kinds=KINDS), "temporal", test_fraction=0.6)
    assert result.truth.items.tolist() == [1] and result.truth.weights.tolist() == [1.5]
    assert result.notes == ()


def test_who_is_left_out_is_said() -> None:
    log = pl.DataFrame({"user": list("uuvw"), "item": list("abab"), "time": [1.0, 3.0, 4.0, 2.0]})
    result = split(Dataset.of(log), "temporal", test_fraction=0.5)
    assert result.users.tolist() == [0]
    assert result.notes == ("1 users have no event before their truth and are not judged",)
    assert len(split(Dataset.of(log), "temporal", test_fraction=0.5, cold_users=True)) == 2


def test_the_moment_of_the_request_is_that_of_the_held_out_event() -> None:
    log = pl.DataFrame({"user": list("uuvv"), "item": list("abab"), "time": [1.0, 3.0, 4.0, 9.0]})
    assert split(Dataset.of(log), "leave-last-out").histories.now.tolist() == [3.0, 9.0]


# ---- what cannot be split


def log_of(**columns: list[object]) -> Dataset:
    return Dataset.of(pl.DataFrame(columns))


def test_all_events_at_one_time() -> None:
    with pytest.raises(
        DataError, match=r"all 4 events happen at one time, 5.*temporal' needs at least two moments.*leave-last-out"
    ):
        split(log_of(user=list("uuvv"), item=list("abab"), time=[5.0] * 4), "temporal")


def test_no_times() -> None:
    with pytest.raises(DataError, match=r"1 of 2 events have no time.*needs the time of every event"):
        split(log_of(user=list("uv"), item=list("ab"), time=[5.0, None]), "temporal")


def test_one_event_each() -> None:
    sentence = (
        r"the split 'leave-last-out' leaves no user to judge, of 2 users and 2 events.*a judged user needs a history"
    )
    with pytest.raises(DataError, match=sentence):
        split(log_of(user=list("uv"), item=list("ab")), "leave-last-out")


def test_one_user_and_one_item() -> None:
    assert len(split(log_of(user=list("uuu"), item=list("abc")), "leave-last-out")) == 1
    with pytest.raises(DataError, match=r"leaves no user to judge"):
        split(log_of(user=list("uv"), item=list("aa")), "leave-last-out")


def test_a_core_of_nothing() -> None:
    with pytest.raises(DataError, match=r"no event is left of 2; each user needs 9 and each item 0 positive events"):
        split(log_of(user=list("uv"), item=list("aa")), "leave-last-out", min_user_events=9)


def test_unknown_names_offer_the_nearest() -> None:
    log = log_of(user=list("uu"), item=list("ab"))
    with pytest.raises(MissingError, match=r"there is no split 'temporl'. Did you mean 'temporal'\?"):
        split(log, "temporl")
    with pytest.raises(SettingError, match=r"split 'temporal' has no setting 'fraction'"):
        split(log, "temporal", fraction=0.1)


@pytest.mark.parametrize(
    ("name", "setting", "value", "rule"),
    [
        ("temporal", "test_fraction", 1.0, "between 0 and 1"),
        ("temporal", "test_fraction", "0.2", "between 0 and 1"),
        ("leave-last-out", "n", 0, "a whole number, at least 1"),
        ("leave-last-out", "n", 1.5, "a whole number, at least 1"),
        ("cold-user", "history", -1, "a whole number, at least 0"),
        ("cold-item", "item_fraction", 0, "between 0 and 1"),
        ("per-user-random", "seed", True, "a whole number, at least 0"),
        ("per-user-random", "min_item_events", -2, "a whole number, at least 0"),
    ],
)
def test_settings_out_of_range(name: str, setting: str, value: object, rule: str) -> None:
    with pytest.raises(SettingError, match=f"split '{name}': {setting} is .*{rule}"):
        split(log_of(user=list("uu"), item=list("ab")), name, **{setting: value})


def test_truth_of_rows_without_any() -> None:
    truth = Truth.of([2, 0], [1, 1], [1.0, 0.5], n_rows=4, n_items=3)
    assert truth.indptr.tolist() == [0, 1, 1, 2, 2] and truth.rows.tolist() == [0, 2]
    assert truth.matrix(3).toarray().tolist() == [[0, 0.5, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]]
