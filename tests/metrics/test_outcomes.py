"""The join of decisions with what followed: each rule by hand, then all of them against a slow oracle."""

from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recloop.data.vocabulary import Vocabulary
from recloop.errors import DataError, SettingError
from recloop.metrics.outcomes import OUTCOMES, OutcomeKinds, latency_quantiles, user_table, with_diversity

EVENT = {"user": pl.String, "item": pl.String, "kind": pl.String, "value": pl.Float64, "time": pl.Float64}
EVENT |= {"decision": pl.String}
FEEDBACK = {"user": pl.String, "kind": pl.String, "time": pl.Float64, "value": pl.Float64, "text": pl.String}
FEEDBACK |= {"item": pl.String, "decision": pl.String}


def decisions(*rows: tuple[str, str, str, float, list[str]], **more: list[object]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["id", "user", "variant", "time", "items"], orient="row")
    given = {"latency": [0.01] * frame.height, "fallback": [""] * frame.height, **more}
    return frame.with_columns(**{name: pl.Series(values) for name, values in given.items()})


def events(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=EVENT, orient="row")


def feedback(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=FEEDBACK, orient="row")


def only(table: pl.DataFrame) -> dict[str, object]:
    assert table.height == 1
    return table.row(0, named=True)


ONE = decisions(("d1", "ann", "a", 100.0, ["x", "y", "z"]))


@pytest.mark.parametrize(
    ("event", "clicks"),
    [
        (("ann", "y", "click", None, 130.0, None), 1),
        (("ann", "y", "click", None, 130.0, "d1"), 1),
        (("ann", "y", "click", None, 130.0, ""), 1),
        (("ann", "q", "click", None, 130.0, None), 0),  # was not shown
        (("ann", "q", "click", None, 130.0, "d1"), 0),  # was not shown there
        (("ann", "y", "click", None, 130.0, "gone"), 0),  # of a decision that nobody knows
        (("bob", "y", "click", None, 130.0, None), 0),  # another user
        (("ann", "y", "click", None, 90.0, None), 0),  # before it was shown
        (("ann", "y", "click", None, 98.0, "d1"), 1),  # a clock that is two seconds slow
        (("ann", "y", "click", None, 160.0, None), 1),  # the last second of the window
        (("ann", "y", "click", None, 160.1, None), 0),
        (("ann", "y", "click", None, 160.1, "d1"), 0),
        (("ann", "y", "view", None, 130.0, None), 0),
    ],
)
def test_attribution(event: tuple[object, ...], clicks: int) -> None:
    elsewhere = ("zoe", "y", "click", None, 0.0, None)  # clicks are sent
    row = only(user_table(ONE, events(event, elsewhere), window=60.0))
    assert (row["clicks"], row["clicked_slates"], row["abandoned"]) == (clicks, clicks, 1 - clicks)


def test_the_last_slate_that_showed_the_item_gets_the_event() -> None:
    shown = decisions(
        ("d1", "ann", "a", 0.0, ["x", "y"]), ("d2", "ann", "b", 10.0, ["x"]), ("d3", "ann", "c", 20.0, ["y"])
    )
    table = user_table(shown, events(("ann", "x", "purchase", 9.5, 25.0, None)))
    assert dict(table.select("variant", "revenue").iter_rows()) == {"a": 0, "b": 9.5, "c": 0}


def test_an_item_clicked_twice_is_one_click_and_a_purchase_twice_is_two() -> None:
    twice = [("ann", "x", kind, 5.0, time, "d1") for kind in ("click", "purchase") for time in (101.0, 102.0)]
    row = only(user_table(ONE, events(*twice)))
    assert (row["clicks"], row["clicked_slates"], row["purchases"], row["buyer"], row["revenue"]) == (1, 1, 2, 1, 10.0)


def test_what_was_never_sent_is_null_and_not_zero() -> None:
    row = only(user_table(ONE, events(("ann", "x", "view", None, 101.0, None))))
    of_events = {"clicks", "clicked_slates", "abandoned", "purchases", "buyer", "revenue", "orders", "spend", "ratings"}
    of_events |= {"rating_sum", "surveys", "survey_sum", "comments", "sentiment_sum", "diversity_sum"}
    of_events |= {"diversity_slates"}
    assert {name for name, value in row.items() if value is None} == of_events
    quiet = user_table(ONE, events(("bob", "x", "purchase", None, 101.0, None)))
    assert (only(quiet)["purchases"], only(quiet)["revenue"]) == (0, None)  # sold, but no prices
    assert OUTCOMES["revenue_per_user"].missing(quiet) == (
        "not measured: it needs purchase events with a value, and there are none"
    )
    assert not OUTCOMES["purchase_rate"].missing(quiet)


def test_abandonment_needs_the_end_of_the_session() -> None:
    shown = decisions(
        ("d1", "ann", "a", 0.0, ["x"]),  # goes on to the next page
        ("d2", "ann", "a", 60.0, ["y"]),  # leaves
        ("d3", "ann", "a", 9000.0, ["z"]),  # comes back and clicks
    )
    row = only(user_table(shown, events(("ann", "z", "click", None, 9001.0, "d3"))))
    assert (row["slates"], row["abandoned"]) == (3, 1)


def test_repeats_count_earlier_slates_of_any_variant() -> None:
    shown = decisions(("d1", "ann", "", 0.0, ["x", "y"]), ("d2", "ann", "a", 9.0, ["y", "z"]))
    row = only(user_table(shown, events()))
    assert (row["variant"], row["slates"], row["shown"], row["repeats"]) == ("a", 1, 2, 1)


def test_what_was_shown_more_than_a_week_ago_is_no_repeat() -> None:
    week = 7 * 86_400.0
    shown = decisions(*((f"d{k}", "ann", "a", time, ["x"]) for k, time in enumerate((0.0, week, 2 * week + 1))))
    assert only(user_table(shown, events()))["repeats"] == 1


def test_fallbacks_latency_and_empty_slates() -> None:
    shown = decisions(
        ("d1", "ann", "a", 0.0, ["x"]), ("d2", "ann", "a", 9.0, []), latency=[0.02, 0.05], fallback=["popular", ""]
    )
    row = only(user_table(shown, events()))
    assert (row["slates"], row["shown"], row["fallbacks"], row["first"], row["last"]) == (2, 1, 1, 0.0, 9.0)
    assert row["latency_sum"] == pytest.approx(0.07)


def test_ratings_are_events_or_feedback_and_comments_have_a_sentiment() -> None:
    said = feedback(
        ("ann", "rating", 110.0, 5.0, "", "x", ""),
        ("ann", "comment", 111.0, None, "lovely", "", ""),  # about the latest slate
        ("ann", "comment", 112.0, None, "awful", "", "d1"),
        ("ann", "survey", 113.0, 4.0, "", "", "d1"),
        ("ann", "rating", 10.0, 1.0, "", "", ""),  # before anything was shown
    )
    table = user_table(
        ONE,
        events(("ann", "y", "rating", 2.0, 120.0, None)),
        said,
        sentiment=lambda texts: [1.0 if text == "lovely" else -0.5 for text in texts],
    )
    row = only(table)
    assert (row["ratings"], row["rating_sum"], row["surveys"], row["survey_sum"]) == (2, 7.0, 1, 4.0)
    assert (row["comments"], row["sentiment_sum"]) == (2, 0.5)
    assert OUTCOMES["satisfaction"].moments(pl.concat([table, table])).ratio == 3.5
    unread = user_table(ONE, events(), said)
    assert "comments with a sentiment" in OUTCOMES["sentiment"].missing(unread)


def test_kinds_are_configuration() -> None:
    done = events(("ann", "x", "order", 3.0, 101.0, None), ("ann", "y", "open", None, 101.0, None))
    row = only(user_table(ONE, done, kinds=OutcomeKinds(click=("open", "tap"), purchase=("order",))))
    assert (row["clicks"], row["revenue"]) == (1, 3.0)


def test_columns_without_any_value() -> None:
    bare = pl.DataFrame(
        {"user": ["ann"], "item": ["x"], "kind": ["click"], "value": [None], "time": [101], "decision": [None]}
    )
    assert only(user_table(ONE, bare))["clicks"] == 1
    assert user_table(ONE.clear(), events()).height == 0


def test_bad_input() -> None:
    with pytest.raises(DataError, match="1 decisions have an id that came before"):
        user_table(pl.concat([ONE, ONE]), events())
    with pytest.raises(DataError, match="the events have no column decision"):
        user_table(ONE, events().drop("decision"))
    with pytest.raises(SettingError, match=r"window is 0\.0 seconds"):
        user_table(ONE, events(), window=0.0)
    for column, message in ((["1"], "holds String"), ([float("nan")], "NaN or infinite for 1 users")):
        with pytest.raises(DataError, match=message):
            OUTCOMES["purchase_rate"].values(pl.DataFrame({"buyer": column}))


def test_diversity_is_the_mean_over_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors, ids = rng.normal(size=(30, 8)), Vocabulary(tuple(f"i{n}" for n in range(30)))
    rows = [[f"i{n}" for n in rng.permutation(30)[: rng.integers(0, 9)]] for _ in range(40)]
    rows[3] = ["i1", "nobody", "i2"]
    shown = decisions(*((f"d{n}", "u", "a", float(n), items) for n, items in enumerate(rows)))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for items, got in zip(rows, with_diversity(shown, ids, vectors)["diversity"], strict=True):
        known = [int(item[1:]) for item in items if item != "nobody"]
        pairs = [1 - unit[i] @ unit[j] for place, i in enumerate(known) for j in known[place + 1 :]]
        assert got == (pytest.approx(np.mean(pairs), abs=1e-6) if pairs else None)
    table = only(user_table(with_diversity(shown, ids, vectors), events()))
    assert table["diversity_slates"] == sum(len(set(items) - {"nobody"}) > 1 for items in rows)


def test_latency_quantiles() -> None:
    shown = decisions(*((f"d{n}", "u", "a", 0.0, []) for n in range(101)), latency=[n / 100 for n in range(101)])
    assert only(latency_quantiles(shown)) == {"variant": "a", "n": 101, "p50": 0.5, "p95": 0.95, "p99": 0.99}


@pytest.mark.parametrize("seed", range(3))
def test_against_a_slow_oracle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    window, users, items = 40.0, 12, 9
    shown = decisions(
        *(
            (
                f"d{n}",
                f"u{rng.integers(users)}",
                "ab"[rng.integers(2)],
                time,
                [f"i{i}" for i in rng.permutation(items)[:4]],
            )
            for n, time in enumerate(rng.uniform(0, 500, 150).tolist())
        )
    )
    done = events(
        *(
            (f"u{rng.integers(users)}", f"i{rng.integers(items)}", str(rng.choice(["click", "purchase", "view"])),
             float(rng.integers(1, 9)), time, f"d{rng.integers(160)}" if rng.random() < 0.4 else None)
            for time in rng.uniform(0, 560, 900).tolist()
        )
    )  # fmt: skip
    expected: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    slates = {row["id"]: row for row in shown.iter_rows(named=True)}
    clicked = set()
    for row in slates.values():
        expected[row["variant"], row["user"]]["slates"] += 1
    for event in done.iter_rows(named=True):
        if event["decision"]:
            slate = slates.get(event["decision"])
            fits = slate and event["item"] in slate["items"]
        else:
            seen = [
                row
                for row in slates.values()
                if row["user"] == event["user"] and event["item"] in row["items"] and row["time"] <= event["time"]
            ]
            slate = max(seen, key=lambda row: row["time"], default=None)
            fits = slate is not None
        if not fits or event["time"] > slate["time"] + window:
            continue
        sums = expected[slate["variant"], slate["user"]]
        if event["kind"] == "purchase":
            sums["purchases"] += 1
            sums["revenue"] += event["value"]
        if event["kind"] == "click":
            sums["clicks"] += (slate["id"], event["item"]) not in clicked
            clicked.add((slate["id"], event["item"]))
    table = user_table(shown, done, window=window)
    assert table.height == len(expected)
    for row in table.iter_rows(named=True):
        for name in ("slates", "clicks", "purchases", "revenue"):
            assert row[name] == expected[row["variant"], row["user"]][name], (row["variant"], row["user"], name)


def test_the_same_log_gives_the_same_table_every_time() -> None:
    """Joins reorder rows: what hangs on the order of time must say so."""
    rng = np.random.default_rng(5)
    n = 6000
    time = np.sort(rng.uniform(0, 5 * 86_400, n))
    user = rng.integers(0, 400, n)
    decisions = pl.DataFrame(
        {
            "id": [f"d{i}" for i in range(n)],
            "user": [f"u{u}" for u in user],
            "time": time,
            "variant": [f"v{u % 2}" for u in user],
            "items": [["a", "b"]] * n,
            "fallback": [""] * n,
            "latency": [0.01] * n,
        }
    )
    clicked = rng.random(n) < 0.3
    events = decisions.filter(pl.Series(clicked)).select(
        id=pl.col("id") + "c", user="user", item=pl.lit("a"), kind=pl.lit("click"), value=pl.lit(None, pl.Float64),
        time=pl.col("time") + 1.0, received="time", decision="id",
    )  # fmt: skip
    tables = [user_table(decisions, events) for _ in range(10)]
    for table in tables[1:]:
        assert_frame_equal(table, tables[0], rel_tol=1e-12)  # sums of floats may round in another order
    abandoned = 0
    for one in range(400):
        mine = np.flatnonzero(user == one)
        following = np.append(time[mine][1:], np.inf) - time[mine]
        abandoned += int((~clicked[mine] & ~(following <= 1800.0)).sum())
    assert tables[0]["abandoned"].sum() == abandoned
