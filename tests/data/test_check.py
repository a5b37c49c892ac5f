"""Each trouble that the check knows is found where it is, and not where it is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.data.check import Check, check
from recloop.data.dataset import Dataset
from recloop.data.kinds import Kinds
from recloop.data.source import Reading, Source, read

DAY = 86400.0
START = 1_700_000_000.0


def people(n_users: int = 300, per_user: int = 20, seed: int = 0) -> pl.DataFrame:
    """A log without any trouble: each user a few events a day, at all hours of the day but the night."""
    rng = np.random.default_rng(seed)
    n = n_users * per_user
    time = START + rng.integers(0, 60, n) * DAY + rng.random(n) * 14 * 3600
    return pl.DataFrame(
        {
            "user": [f"u{i:04}" for i in np.repeat(np.arange(n_users), per_user)],
            "item": [f"i{i:04}" for i in (rng.power(0.5, n) * 400).astype(int)],
            "time": time,
            "value": rng.integers(1, 6, n).astype(float),
        }
    )


CATALOGUE = pl.DataFrame({"item": [f"i{i:04}" for i in range(400)], "title": [f"Thing number {i}" for i in range(400)]})


def checked(log: pl.DataFrame, items: pl.DataFrame | None = CATALOGUE, kinds: Kinds | None = None, **how: Any) -> Check:
    data = Dataset.of(log, items=items, kinds=kinds)
    table = None if items is None else items["item"]
    return check(Reading(data, (), Source(events="log.csv", items="items.csv"), item_table=table), **how)


def sentences(result: Check, topic: str, severity: str = "warning") -> list[str]:
    return [f.sentence for f in result.findings if f.topic == topic and f.severity == severity]


def test_a_sound_log_raises_no_doubt() -> None:
    result = checked(people(), now=START + 90 * DAY)
    assert [f.sentence for f in result.findings if f.severity != "info"] == []
    assert result.sentence == "6,000 events of 300 users on 400 items: nothing suspicious."
    assert result.worst == "info"


def test_counts_against_a_plain_count() -> None:
    log = people(50, 7)
    numbers = checked(log).numbers
    assert numbers["counts"]["events"] == 350 and numbers["counts"]["active_users"] == 50
    pairs = len(set(log.select("user", "item").rows()))
    assert numbers["counts"]["density"] == pytest.approx(pairs / (50 * log["item"].n_unique()))
    per_item = sorted(log["item"].value_counts()["count"].to_list())
    assert numbers["per_item"]["quantiles"]["0.5"] == float(np.median(per_item))
    assert numbers["per_item"]["once"] == per_item.count(1)
    gap = sum(abs(a - b) for a in per_item for b in per_item) / (2 * len(per_item) ** 2 * np.mean(per_item))
    assert numbers["per_item"]["gini"] == pytest.approx(gap)
    assert sum(numbers["per_item"]["bins"]["count"]) == len(per_item)
    assert sum(numbers["time"]["bins"]["events"]) == 350
    assert numbers["kinds"][0]["value_low"] == 1.0 and numbers["kinds"][0]["value_high"] == 5.0


def test_the_result_is_plain_json() -> None:
    plain = checked(people()).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_one_user_with_a_hundredth_of_all_events() -> None:
    heavy = people(1, 250).with_columns(user=pl.lit("bot"))
    result = checked(pl.concat([people(), heavy]))
    assert result.numbers["bots"]["suspects"] == [{"user": "bot", "events": 250, "reasons": ["4.0% of all events"]}]
    assert sentences(result, "bots") == [
        (
            "1 user with 4.0% of the events may be no people; the first: 4.0% of all events. "
            "Leave them out, or see that the figures do not hang on them."
        )
    ]


def test_few_users_are_not_called_bots_for_their_share() -> None:
    assert checked(people(20, 50)).numbers["bots"]["users"] == 0


def test_a_user_faster_than_hands() -> None:
    burst = pl.DataFrame({"user": ["fast"] * 70, "item": [f"i{i:04}" for i in range(70)]}).with_columns(
        time=pl.int_range(70).cast(pl.Float64) * 0.5 + START // 60 * 60, value=pl.lit(1.0)
    )
    result = checked(pl.concat([people(2000, 10), burst]))
    assert result.numbers["bots"]["suspects"][0]["reasons"] == ["70 events in one minute"]


def test_a_user_that_never_sleeps() -> None:
    awake = pl.DataFrame({"user": ["clock"] * 48, "item": [f"i{i:04}" for i in range(48)]}).with_columns(
        time=pl.int_range(48).cast(pl.Float64) * 3600 + START // DAY * DAY, value=pl.lit(1.0)
    )
    result = checked(pl.concat([people(2000, 10), awake]))
    assert result.numbers["bots"]["suspects"][0]["reasons"] == ["awake round the clock on 2 days"]


def test_all_events_at_one_time() -> None:
    result = checked(people().with_columns(time=pl.lit(START)))
    assert result.worst == "error"
    assert sentences(result, "time", "error") == [
        (
            "All 6,000 events happen at one time, 2023-11-14T22:13:20+00:00: temporal splits are not possible. "
            "Is the time column the right one?"
        )
    ]


def test_no_times() -> None:
    assert "There are no times" in sentences(checked(people().drop("time")), "time")[0]


def test_times_that_cannot_be() -> None:
    odd = people(3, 2).with_columns(time=pl.Series([0.0, 10.0, START + 1000 * DAY, START, START, START]))
    found = sentences(checked(pl.concat([people(), odd]), now=START + 90 * DAY), "time")
    assert found[0].startswith("2 events happen before 1990; the first at 1970-01-01T00:00:00+00:00.")
    assert found[1].startswith("1 events happen in the future; the last at 2026-")


def test_a_bulk_import() -> None:
    log = people().with_row_index().with_columns(time=pl.when(pl.col("index") % 8 == 0).then(START).otherwise("time"))
    assert sentences(checked(log.drop("index")), "time") == [
        "12.5% of all events happen at 2023-11-14T22:13:20+00:00: a bulk import or a default value, rather than behaviour."
    ]


def test_days_instead_of_moments() -> None:
    log = people(300, 20).with_columns(time=(pl.col("time") / (40 * DAY)).floor() * 40 * DAY)
    assert "share their time with the one before of the same user" in sentences(checked(log), "leakage")[0]


def test_repeated_events() -> None:
    log = people()
    result = checked(pl.concat([log, log.head(60)]))
    assert result.numbers["duplicates"]["exact"] == 60
    assert sentences(result, "duplicates")[0].startswith(
        "60 events (0.99%) repeat another in user, item, kind, value and time."
    )


def test_unknown_and_idle_items() -> None:
    log = people()
    seen = log["item"].unique().sort()
    known = pl.DataFrame({"item": [*seen.to_list()[: len(seen) // 2], "never"]}).with_columns(title=pl.lit("t"))
    result = checked(log, items=known)
    unknown = len(seen) - len(seen) // 2
    events = log.filter(~pl.col("item").is_in(known["item"].implode())).height
    assert result.numbers["unknown"]["items"] == {"unknown": unknown, "events": events, "idle": 1}
    assert f"{unknown:,} items with {events:,} events" in sentences(result, "unknown")[0]


def test_catalogue_of_another_shop() -> None:
    result = checked(people(), items=pl.DataFrame({"item": ["1", "2"], "title": ["a", "b"]}))
    (sentence,) = sentences(result, "unknown", "error")
    assert sentence.startswith("No item of the events stands in items.csv: the item ids of the two files do not match.")
    assert sentence.endswith("Mend them, or take 'items' out of [data].")


def test_values_out_of_range() -> None:
    log = pl.concat([people(), people(1, 2).with_columns(user=pl.lit("u0001"), value=pl.Series([500.0, -30.0]))])
    result = checked(log)
    assert sentences(result, "values") == [
        "2 events of kind 'interaction' have values between -30 and 500, where 99% of them lie between 1 and 5."
    ]


def test_attributes_from_the_future() -> None:
    dated = CATALOGUE.with_columns(time=pl.lit("2023-12-15"))
    result = checked(people(), items=dated)
    share = result.numbers["leakage"]["before_release"] / 6000
    assert 0.3 < share < 0.7
    assert sentences(result, "leakage")[0].startswith(f"{share:.1%} of the events happen before the date of their item")
    assert sentences(checked(people(), items=CATALOGUE.with_columns(time=pl.lit("2020-01-01"))), "leakage") == []


def test_attributes_counted_from_the_log() -> None:
    log = people()
    counted = CATALOGUE.join(log.group_by("item").len("sold"), on="item", how="left").with_columns(pl.col("sold") * 10)
    result = checked(log, items=counted.with_columns(price=pl.Series(np.random.default_rng(1).random(400))))
    assert len(sentences(result, "leakage")) == 1
    assert (
        "The item column 'sold' follows the number of events (rank correlation 1.00)" in sentences(result, "leakage")[0]
    )


def test_ids_that_look_alike_or_stand_for_nothing() -> None:
    odd = pl.DataFrame(
        {"user": ["U0001", "null", " u0002"], "item": ["i0001"] * 3, "time": [START] * 3, "value": [1.0] * 3}
    )
    found = sentences(checked(pl.concat([people(), odd])), "users")
    assert found == [
        "1 user ids begin or end with a space.",
        "2 user ids differ from another only in case or spaces. Are they the same?",
        "1 events have the user id 'null': a placeholder for a missing one?",
    ]


def test_text_coverage() -> None:
    half = CATALOGUE.with_columns(title=pl.when(pl.col("item") < "i0200").then("title"))
    result = checked(people(), items=half)
    assert result.numbers["text"]["share"] == 0.5 and result.numbers["text"]["median_words"] == 3.0
    assert sentences(result, "text") == ["50% of the items have no text; strategies that read know nothing of them."]
    assert "The items have no text" in sentences(checked(people(), items=None), "text", "info")[0]


def test_one_user_one_item_no_weight() -> None:
    log = pl.DataFrame({"user": ["u"], "item": ["i"], "time": [START]})
    result = checked(log, items=None, kinds=Kinds(default=0.0))
    topics = {f.topic for f in result.findings if f.severity == "error"}
    assert topics == {"users", "items", "values", "time"}


def test_many_visitors_of_one_event() -> None:
    log = people(300, 2).with_columns(user=pl.int_range(600).cast(pl.String))
    assert "100% of the users have a single event." in sentences(checked(log), "users")[0]


def test_bad_rows_and_how_files_were_read(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,rating\n" + "u,i,4\nv,j,3\n" * 100 + "u,i,NaN\n")
    result = check(read(Source(events=str(tmp_path / "log.csv"))))
    file = result.numbers["files"][0]
    assert file["format"] == "csv" and file["columns"][2]["column"] == "rating"
    assert file["problems"]["counts"] == {"value is NaN or infinite": 1}
    assert sentences(result, "rows") == [
        "log.csv: 1 of 201 rows are left out (0.50%): value is NaN or infinite (1). The first is line 202."
    ]
