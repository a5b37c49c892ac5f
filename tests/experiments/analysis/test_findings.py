"""Bad data: an error that says the way out, or a counted warning, as the plan wants."""

import math
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from recloop.errors import DataError, SettingError
from recloop.experiments import Analysis, analyze

Plan = dict[str, Any]
ENGINES = ["frames", "files"]


def read(users: pl.DataFrame, plan: Plan, engine: str, tmp_path: Any, **more: Any) -> Analysis:
    if engine == "files":
        pytest.importorskip("duckdb", reason="needs the extra duckdb")
        users.write_parquet(tmp_path / "users.parquet")
        return analyze(tmp_path / "users.parquet", plan=plan, now=0.0, **more)
    return analyze(users, plan=plan, now=0.0, **more)


def row(column: str, value: Any, *, where: int = 7) -> pl.Expr:
    return pl.when(pl.col("user") == where).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("broken", "said", "warned"),
    [
        (row("revenue", math.inf), "'revenue' is NaN or infinite for 1 user", "they are left out"),
        (row("revenue", math.nan), "'revenue' is NaN or infinite for 1 user", "they are left out"),
        (row("before", -math.inf), "'before' is NaN or infinite for 1 user", "they are left out"),
        (row("revenue", None), "'revenue' is empty for 1 user", "it counts as 0 there"),
        (row("revenue", -4.5), r"'revenue' is below zero for 1 user \(lowest -4.5\)", "they are kept"),
        (row("variant", "neu"), r"the plan does not name the variant of 1 user: 'neu' \(1\)", "they are left out"),
        (row("variant", None), "no variant is given for 1 user", "they are left out"),
        (
            row("user", 8),
            "more than one row is there for 1 user|more than one variant was seen by 1 user",
            "they are left out",
        ),
        (row("user", None), "no user is named in 1 row", "they are left out"),
    ],
)
def test_stop_or_warn(
    broken: pl.Expr, said: str, warned: str, engine: str, users: pl.DataFrame, plan: Plan, tmp_path: Any
) -> None:
    bad = users.with_columns(broken)
    with pytest.raises(DataError, match=f'({said}).*(?i:set bad_data = "warn": then {warned})'):
        read(bad, plan, engine, tmp_path)
    found = read(bad, {**plan, "bad_data": "warn"}, engine, tmp_path)
    assert len(found.warnings) == 1
    assert warned in found.warnings[0]
    assert found.readout.comparisons
    left = {"they are left out": 1, "it counts as 0 there": 0, "they are kept": 0}[warned]
    left += "more than one" in said  # both rows of the user go
    assert found.readout.total_users == users.height - left
    if left < 2:
        assert any(check.sentence == found.warnings[0] and check.level == "yellow" for check in found.readout.checks)


def test_advice_names_the_nearest(users: pl.DataFrame, plan: Plan) -> None:
    with pytest.raises(
        DataError, match=r"does not name the variant of [\d,]+ users: 'nwe' \([\d,]+\). Did you mean 'new'\?"
    ):
        analyze(users.with_columns(pl.col("variant").replace("new", "nwe")), plan=plan)


def test_a_variant_without_users(users: pl.DataFrame, plan: Plan) -> None:
    some = users.filter(variant="old")
    with pytest.raises(DataError, match="variant 'new' has no users: no row holds 'new'"):
        analyze(some, plan=plan)
    found = analyze(some, plan={**plan, "bad_data": "warn"})
    assert found.warnings == ("Variant 'new' has no users: no row holds 'new'; it is compared with nothing.",)
    assert found.verdict.verdict == "invalid"  # traffic was not split as planned


def test_text_is_never_a_number(users: pl.DataFrame, plan: Plan) -> None:
    text = users.with_columns(pl.col("revenue").cast(pl.String))
    for policy in ("stop", "warn"):
        with pytest.raises(DataError, match="column 'revenue' holds text; a metric or covariate reads one number per"):
            analyze(text, plan={**plan, "bad_data": policy})
    with pytest.raises(DataError, match="column 'revenue' holds times"):
        analyze(users.with_columns(revenue="time"), plan=plan)
    with pytest.raises(DataError, match="column 'time' holds text; a time is a timestamp, or seconds since 1970"):
        analyze(users.with_columns(pl.col("time").cast(pl.String)), plan=plan)
    pandas = pytest.importorskip("pandas")
    mixed = pandas.DataFrame({"variant": ["old", "new"] * 50, "revenue": [1.0, "2 EUR"] * 50})
    few = {"variants": plan["variants"], "metrics": {"revenue": {}}, "primary": "revenue", "rule": "fixed"}
    with pytest.raises(DataError, match="column 'revenue' holds text"):
        analyze(mixed, plan=few)


def test_text_in_a_csv_beyond_the_sample(users: pl.DataFrame, plan: Plan, tmp_path: Any) -> None:
    pytest.importorskip("duckdb", reason="needs the extra duckdb")
    users.write_csv(tmp_path / "users.csv")
    with (tmp_path / "users.csv").open("a") as file:
        file.writelines("0,old,at,1.0,1,true,1.0,2026-01-01T00:00:00\n" for _ in range(30_000))
        file.write("1,old,at,a lot,1,true,1.0,2026-01-01T00:00:00\n")
    with pytest.raises(DataError, match=r"DuckDB cannot read the data: |column 'revenue' holds text"):
        analyze(tmp_path / "users.csv", plan={**plan, "columns": {"unique": True}})


@pytest.mark.parametrize("engine", ENGINES)
def test_dates_outside(engine: str, users: pl.DataFrame, plan: Plan, tmp_path: Any) -> None:
    dated = {**plan, "start": datetime(2026, 1, 2, tzinfo=UTC), "stop": datetime(2026, 1, 8)}
    outside = users.filter(~pl.col("time").is_between(datetime(2026, 1, 2), datetime(2026, 1, 8), closed="left")).height
    with pytest.raises(DataError, match=f"the dates 2026-01-02 .* to 2026-01-08 .* leave out {outside:,} exposures"):
        read(users, dated, engine, tmp_path)
    found = read(users, {**dated, "bad_data": "warn"}, engine, tmp_path)
    assert found.readout.total_users == users.height - outside
    with pytest.raises(SettingError, match="the exposures have no column 'time'"):
        analyze(users.drop("time"), plan=dated)


def test_infinite_values_are_named_among_finite_ones(users: pl.DataFrame, plan: Plan) -> None:
    with pytest.raises(DataError, match="the squares of the values are too large to be added up; values below 1e150"):
        analyze(users.with_columns(row("revenue", 1e300)), plan={**plan, "metrics": {"revenue": {}, "bought": {}}})


def test_columns_that_are_not_there(users: pl.DataFrame, plan: Plan, events: pl.DataFrame) -> None:
    for change, said in (
        ({"segments": ["contry"]}, "the exposures have no column 'contry'. Did you mean 'country'"),
        ({"columns": {"user": "usr"}}, "the exposures have no column 'usr'. Did you mean 'user'"),
        ({"columns": {"variant": "arm"}}, "the exposures have no column 'arm'"),
        ({"metrics": {"revenue": {"covariates": ["befor"]}, "bought": {}}}, "no column 'befor'. Did you mean 'before'"),
        (
            {"metrics": {"revenue": {"numerator": {"kind": "purchase"}}, "bought": {}}},
            "the plan counts events of kind 'purchase', and there are no events; name them: events",
        ),
    ):
        with pytest.raises(SettingError, match=said):
            analyze(users, plan={**plan, **change})


def test_events(exposures: pl.DataFrame, events: pl.DataFrame, events_plan: Plan) -> None:
    with pytest.raises(DataError, match=r"there is no event of kind 'visit'. Did you mean 'visits'"):
        analyze(exposures, events=events.with_columns(pl.col("kind").replace("visit", "visits")), plan=events_plan)
    with pytest.raises(SettingError, match=r"the events have no column 'value'. Did you mean 'values'"):
        analyze(exposures, events=events.rename({"value": "values"}), plan=events_plan)
    with pytest.raises(DataError, match="column 'value' holds text; a sum over events reads numbers"):
        analyze(exposures, events=events.with_columns(pl.col("value").cast(pl.String)), plan=events_plan)
    with pytest.raises(DataError, match="column 'time' holds text"):
        analyze(exposures, events=events.with_columns(pl.col("time").cast(pl.String)), plan=events_plan)
    over = pl.concat(
        [exposures, exposures.head(3).with_columns(pl.col("variant").replace({"old": "new", "new": "old"}))]
    )
    with pytest.raises(DataError, match="more than one variant was seen by 3 users"):
        analyze(over, events=events, plan=events_plan)
    found = analyze(over, events=events, plan={**events_plan, "bad_data": "warn"})
    assert found.readout.crossovers == 3
    assert found.readout.total_users == 397
    refunds = {"numerator": {"kind": "purchase", "of": "sum"}}
    with pytest.raises(DataError, match=r"'sum of purchase' is below zero for \d+ users.*set negative = true"):
        analyze(
            exposures,
            events=events.with_columns(-pl.col("value")),
            plan={**events_plan, "metrics": {"spend": refunds}},
        )
    analyze(
        exposures,
        events=events.with_columns(-pl.col("value")),
        plan={**events_plan, "metrics": {"spend": {**refunds, "negative": True}}},
    )


def test_too_many_segments(users: pl.DataFrame, plan: Plan) -> None:
    with pytest.raises(DataError, match="segment column 'user' has 6,000 values; at most 100; put the rare ones"):
        analyze(users, plan={**plan, "segments": ["user"]})
    some = users.with_columns(country=pl.when(pl.col("user") % 3 == 0).then(None).otherwise("country"))
    values = {part.value for part in analyze(some, plan=plan).readout.segments.effects}
    assert values == {"(none)", "at", "be", "cz"}


def test_users_that_nobody_names(users: pl.DataFrame, plan: Plan) -> None:
    found = analyze(users.drop("user"), plan=plan)
    assert found.scan.notes == ("Each row is taken for one user: the data name no users.",)
    assert "crossover" not in {check.name for check in found.readout.checks}
    found = analyze(users, plan={**plan, "columns": {"unique": True}})
    assert found.scan.notes == ("Each row is taken for one user, as the plan says.",)
