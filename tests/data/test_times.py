"""One stated rule for a whole column."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from recloop.data.times import to_seconds

MOMENT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ([1_700_000_000], "seconds since 1970"),
        ([1_700_000_000.0], "seconds since 1970"),
        (["1700000000"], "seconds since 1970"),
        (["1.7e9"], "seconds since 1970"),
        ([1_700_000_000_000], "milliseconds since 1970"),
        ([1_700_000_000_000_000], "microseconds since 1970"),
        ([1_700_000_000_000_000_000], "nanoseconds since 1970"),
        (["2023-11-14T22:13:20Z"], "ISO-8601"),
        (["2023-11-14 22:13:20"], "ISO-8601"),
        (["2023-11-14 22:13:20.000+00:00"], "ISO-8601"),
        (["2023-11-15T00:13:20+02:00"], "ISO-8601"),
        (["2023-11-14T16:13:20-0600"], "ISO-8601"),
        ([datetime(2023, 11, 14, 22, 13, 20)], "dates of the file"),
        ([datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)], "dates of the file"),
    ],
)
def test_writings_of_one_moment(column: list[object], rule: str) -> None:
    times = to_seconds(pl.Series(column))
    assert times.rule == rule
    assert times.seconds.to_list() == pytest.approx([MOMENT])


@pytest.mark.parametrize("column", [["2023-11-14"], ["20231114"], [20231114], [date(2023, 11, 14)]])
def test_dates_are_their_midnight(column: list[object]) -> None:
    assert to_seconds(pl.Series(column)).seconds.to_list() == [datetime(2023, 11, 14, tzinfo=UTC).timestamp()]


def test_one_unit_for_the_whole_column() -> None:
    times = to_seconds(pl.Series([1_700_000_000_000, 1_700_000_000_500, 1_700_000_000]))
    assert times.rule == "milliseconds since 1970"
    assert times.seconds.to_list() == [1_700_000_000.0, 1_700_000_000.5, 1_700_000.0], "no row is rescaled in silence"


def test_what_cannot_be_read_is_null() -> None:
    text = to_seconds(pl.Series(["2023-11-14", "soon", None, "2023-13-01", "2023-11-14 22:13"]))
    assert [value is None for value in text.seconds] == [False, True, True, True, False]
    numbers = to_seconds(pl.Series(["1700000000", "nan", "inf", "x", "1700000001"]))
    assert [value is None for value in numbers.seconds] == [False, True, True, True, False]


def test_a_pattern_may_be_given() -> None:
    times = to_seconds(pl.Series(["14.11.2023 22:13:20", "bad"]), "%d.%m.%Y %H:%M:%S")
    assert times.seconds.to_list() == [MOMENT, None] and times.rule == "written as %d.%m.%Y %H:%M:%S"
    assert to_seconds(pl.Series(["14.11.2023"]), "%d.%m.%Y").seconds.to_list() == [1699920000.0]


def test_a_column_of_nothing() -> None:
    assert to_seconds(pl.Series([None, None], dtype=pl.String)).seconds.to_list() == [None, None]
    assert to_seconds(pl.Series([], dtype=pl.Float64)).seconds.to_list() == []
