"""What may be wrong with a log, planted and found."""

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError
from recloop.experience import LogHealth, log_health

USERS = 200


def log(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    n = USERS * 20
    time = np.sort(rng.uniform(0, 100 * 3600, n))
    user = rng.integers(0, USERS, n).astype(str)
    ids = np.arange(n).astype(str)
    slow = rng.gamma(4, 0.005, USERS)[user.astype(int)]
    decisions = pl.DataFrame(
        {"id": ids, "user": user, "time": time, "items": [["x", "y"]] * n, "latency": slow + rng.gamma(2, 0.005, n)}
    )
    events = decisions.select("user", item=pl.lit("x"), kind=pl.lit("click"), time=pl.col("time") + 30, decision="id")
    return decisions, events


def found(decisions: pl.DataFrame, events: pl.DataFrame, **settings: object) -> LogHealth:
    return log_health(decisions, events, **settings)


def test_a_sound_log_is_green() -> None:
    health = found(*log(), now=101 * 3600.0)
    assert health.light == "green", [row.sentence for row in health.rows if row.light != "green"]
    assert health.row("staleness").value < 2
    assert [row.id for row in health.rows if row.light == "missing"] == ["latency_p99"]
    assert "200 users say too little" in health.row("latency_p99").sentence


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("orphans", lambda d, e: (d[: len(d) * 9 // 10], e)),
        ("mismatches", lambda d, e: (d, e.with_columns(item=pl.when(pl.col("decision") < "3").then(pl.lit("q")).otherwise("item")))),
        ("backwards", lambda d, e: (d, e.with_columns(pl.col("time") - 60))),
        ("duplicates", lambda d, e: (d, pl.concat([e, e[:400]]))),
        ("unjoined", lambda d, e: (d, e.with_columns(decision=pl.lit("")))),
        ("silent_hours", lambda d, e: (d, e.filter((pl.col("time") // 3600) % 4 != 1))),
    ],
)  # fmt: skip
def test_what_is_broken_is_red(name: str, spoil: object) -> None:
    health = found(*spoil(*log()))
    assert health.row(name).light == "red", health.row(name).sentence
    assert health.light == "red"


def test_a_share_has_its_interval_over_users() -> None:
    decisions, events = log()
    mine = events.filter(pl.col("user").cast(pl.Int64) < 20)  # a tenth of the users has lost all
    lost = pl.concat([events.filter(pl.col("user").cast(pl.Int64) >= 20), mine.with_columns(decision=pl.lit("gone"))])
    row = found(decisions, lost).row("orphans")
    rows = np.sqrt(row.value * (1 - row.value) / events.height)
    assert row.value == pytest.approx(0.1, abs=0.02)
    assert row.high - row.low > 5 * 2 * rows  # as if rows were independent it would be far too narrow


def test_percentiles_hold_the_truth_as_often_as_said() -> None:
    hit = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        user = np.repeat(np.arange(USERS), 20)
        latency = np.exp(rng.normal(0, 0.4, USERS)[user] + rng.normal(0, 0.3, user.size))
        decisions = pl.DataFrame({"id": np.arange(user.size).astype(str), "user": user.astype(str), "time": 0.0,
                                  "items": [["x"]] * user.size, "latency": latency})  # fmt: skip
        row = found(decisions, log()[1][:5]).row("latency_p50")
        hit += row.low <= 1.0 <= row.high
    assert hit >= 52  # 95%, give or take 2.9 standard errors


def test_what_was_not_sent_is_said_and_is_not_zero() -> None:
    decisions, events = log()
    empty = found(decisions.with_columns(latency=pl.lit(None, pl.Float64)), events.clear(), now=0.0)
    assert {row.light for row in empty.rows} == {"missing"}
    assert all("not measured" in row.sentence for row in empty.rows)
    assert empty.to_dict()["rows"][0]["value"] is None
    with pytest.raises(DataError, match="the events have no column decision"):
        found(decisions, events.drop("decision"))


def test_a_clock_that_is_ahead_is_said() -> None:
    assert "its clock is ahead" in found(*log(), now=3600.0).row("staleness").sentence
