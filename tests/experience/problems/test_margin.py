"""A difference that a guardrail tolerates holds no release back; a larger one does, and says that it is larger."""

import numpy as np
import polars as pl
import pytest

from recloop.experience.problems import Problems, Settings, find_problems

from .worlds import day, slates

ARMS = {"treatment": "new", "control": "old", "depth": 1}


def slower(milliseconds: float, where: pl.Expr, **settings: object) -> Problems:
    """The report on two arms of which one answers some slates later."""
    frame = slates(
        variant=pl.when(pl.col("user").str.slice(1).cast(pl.Int64) % 4 < 2).then(pl.lit("new")).otherwise(pl.lit("old"))
    )
    hurt = (pl.col("variant") == "new") & where
    frame = frame.with_columns(latency_sum=pl.col("latency_sum") + pl.when(hurt).then(milliseconds / 1000).otherwise(0))
    return find_problems(frame, Settings(**ARMS, **settings))


def test_what_nobody_notices_holds_nothing_back() -> None:
    report = slower(34, pl.lit(True))
    assert (report.findings, report.verdict) == ((), "keep_running")
    (note,) = [one for one in report.notes if one.startswith("answer time, everywhere: rose 43.4%")]
    assert note.endswith(
        ", 79.7 ms → 114.2 ms: less than the 50.0 ms that are tolerated, so it does not hold new back."
    )


def test_more_than_that_does_and_says_so() -> None:
    report = slower(66, pl.lit(True))
    (one,) = report.primary
    assert (report.verdict, one.metric, one.slice) == ("do_not_ship", "latency", {})
    assert "More than the 50.0 ms that are tolerated." in report.sentence
    assert "margin" in [fact.topic for fact in one.evidence if fact.supports]


def test_a_slice_is_judged_by_its_own_loss() -> None:
    """30 ms over all that are 90 ms in the south are a problem of the south."""
    report = slower(90, pl.col("region") == "south")
    assert [(one.metric, one.slice) for one in report.primary] == [("latency", {"region": "south"})]


@pytest.mark.parametrize(("margin", "verdict"), [((0.02, "absolute"), "do_not_ship"), ((0.1, "relative"), "do_not_ship"),
                                                 ((0.9, "relative"), "keep_running")])  # fmt: skip
def test_the_margin_of_an_experiment_comes_first(margin: tuple[float, str], verdict: str) -> None:
    assert slower(34, pl.lit(True), margins={"latency": margin}).verdict == verdict


def test_between_days_nothing_is_tolerated() -> None:
    hurt = (day() >= 18) & (pl.col("region") == "south")
    frame = slates().with_columns(latency_sum=pl.col("latency_sum") + pl.when(hurt).then(0.034).otherwise(0))
    (one,) = find_problems(frame, Settings(depth=1)).primary
    assert (one.metric, one.slice, one.change_day) == ("latency", {"region": "south"}, "2025-11-19")


def test_clicks_have_no_margin() -> None:
    """What people do is judged by whether it changed at all."""
    rng = np.random.default_rng(0)
    frame = slates(n=60_000, users=6_000).with_columns(
        variant=pl.when(pl.col("user").str.slice(1).cast(pl.Int64) % 4 < 2).then(pl.lit("new")).otherwise(pl.lit("old"))
    )
    chance = np.where(frame["variant"].to_numpy() == "new", 0.185, 0.2)  # less than the 5% points of any guardrail
    frame = frame.with_columns(clicked_slates=pl.Series((rng.random(frame.height) < chance).astype(np.int64)))
    (one,) = find_problems(frame, Settings(**ARMS)).primary
    assert (one.metric, one.direction) == ("slate_ctr", "down")
