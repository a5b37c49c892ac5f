"""Times of any common writing to seconds since 1970 in UTC."""

from dataclasses import dataclass

import numpy as np
import polars as pl

# numbers are seconds from 1e8 (1973) to 1e11 (5138); the same span in ms, µs and ns follows
_UNITS = ((1e11, 1.0, "seconds"), (1e14, 1e3, "milliseconds"), (1e17, 1e6, "microseconds"), (1e20, 1e9, "nanoseconds"))


@dataclass(frozen=True)
class Times:
    """Seconds since 1970 (Float64, null where it cannot be read), and the rule in words."""

    seconds: pl.Series
    rule: str


def to_seconds(column: pl.Series, form: str | None = None) -> Times:
    """Times as seconds since 1970, UTC.

    Dates and datetimes of the file are taken as they are. Text and numbers follow one rule for the whole column:

    - Eight digits that are a date (20140831) in every row: dates.
    - Numbers: by their median without sign, below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else
      nanoseconds.
    - Otherwise ISO-8601: a date, or date and time with a space or a T, with or without fractions and zone. No zone
      means UTC.

    Args:
        column: any type.
        form: a strftime pattern where the times are written otherwise (``%d.%m.%Y``).

    >>> to_seconds(pl.Series(["1700000000000", "1700000001000"])).rule
    'milliseconds since 1970'
    >>> to_seconds(pl.Series(["2023-11-14T22:13:20Z"])).seconds.to_list()
    [1700000000.0]
    """
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        stamps = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column.dt.cast_time_unit("us")
        return Times(stamps.dt.epoch("us").cast(pl.Float64) / 1e6, "dates of the file")
    if column.dtype.is_numeric() and form is None:
        return _of_numbers(column.cast(pl.Float64))
    text = column.cast(pl.String).str.strip_chars()
    if form is not None:
        return Times(_stamp(text, form), f"written as {form}")
    numbers = text.cast(pl.Float64, strict=False)
    if 2 * numbers.null_count() <= len(text) + text.null_count():
        return _of_numbers(numbers)
    return Times(_iso(text), "ISO-8601")


def _of_numbers(numbers: pl.Series) -> Times:
    finite = numbers.filter(numbers.is_finite()).drop_nulls()
    if not len(finite):
        return Times(pl.Series([None] * len(numbers), dtype=pl.Float64), "seconds since 1970")
    if bool(finite.is_between(19000101, 21001231).all()) and bool((finite == finite.floor()).all()):
        dates = numbers.cast(pl.Int64, strict=False).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if dates.null_count() == numbers.null_count() + len(numbers.drop_nulls()) - len(finite):
            return Times(dates.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6, "dates written YYYYMMDD")
    median = float(np.median(np.abs(finite.to_numpy())))
    divisor, unit = next(((d, u) for bound, d, u in _UNITS if median < bound), (1e9, "nanoseconds"))
    seconds = numbers / divisor
    return Times(pl.select(pl.when(seconds.is_finite()).then(seconds)).to_series(), f"{unit} since 1970")


def _iso(text: pl.Series) -> pl.Series:
    joined = text.str.replace(" ", "T", literal=True)
    seconds = pl.Series([None] * len(text), dtype=pl.Float64)
    for form in ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M"):
        if seconds.null_count() == text.null_count():
            break
        seconds = seconds.fill_null(_stamp(joined, form))
    return seconds


def _stamp(text: pl.Series, form: str) -> pl.Series:
    zone = "UTC" if "z" in form.replace("%Z", "") else None
    stamps = text.str.to_datetime(form, strict=False, time_unit="us", time_zone=zone)
    return stamps.dt.epoch("us").cast(pl.Float64) / 1e6
