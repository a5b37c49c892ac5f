"""Which rows of a table are good, and what is wrong with the others."""

import numpy as np
import polars as pl

from recloop.data.formats import Table
from recloop.data.problems import Problems
from recloop.data.times import Times, to_seconds

LONGEST_ID = 1024  # characters; longer ones are nearly always a field in the wrong place
_LARGEST = float(np.finfo(np.float32).max)


class Judge:
    """Marks bad rows, each with its first fault."""

    def __init__(self, table: Table, problems: Problems) -> None:
        self.good = np.ones(table.frame.height, dtype=bool)
        self.line = table.line
        self.problems = problems

    def fault(self, mask: pl.Series, reason: str, shown: pl.Series | None = None) -> None:
        """Rows where ``mask`` is true are bad; ``shown`` holds the offending values, where they may be shown."""
        bad = np.flatnonzero(mask.fill_null(value=False).to_numpy() & self.good)
        if not len(bad):
            return
        details = [] if shown is None else [_short(value) for value in shown.gather(bad[:100]).to_list()]
        self.problems.add(reason, self.line[bad], details)
        self.good[bad] = False

    def id(self, column: pl.Series, what: str) -> pl.Series:
        """Ids as text; missing and overlong ones are faults."""
        text = as_text(column)
        self.fault(text.is_null() | (text.str.strip_chars() == ""), f"missing {what}")
        self.fault(text.str.len_chars() > LONGEST_ID, f"{what} longer than {LONGEST_ID} characters")
        return text

    def number(self, column: pl.Series, what: str) -> pl.Series:
        """Float64; empty is null, what is no finite number is a fault."""
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            numbers, given = column.cast(pl.Float64), column.is_not_null()
        else:
            text = column.cast(pl.String).str.strip_chars()
            numbers, given = text.cast(pl.Float64, strict=False), text.is_not_null() & (text != "")
        self.fault(given & numbers.is_null(), f"{what} is not a number", column)
        self.fault(numbers.is_nan() | (numbers.abs() > _LARGEST), f"{what} is NaN or infinite", column)
        return numbers

    def time(self, column: pl.Series, form: str | None) -> Times:
        """Seconds since 1970; missing and unreadable ones are faults."""
        self.fault(column.is_null() | (as_text(column).str.strip_chars() == ""), "missing time")
        times = to_seconds(column, form)
        self.fault(times.seconds.is_null() | ~times.seconds.is_finite(), f"time cannot be read as {times.rule}", column)
        return times

    def keep(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The good rows."""
        return frame if self.good.all() else frame.filter(pl.Series(self.good))


def as_text(column: pl.Series) -> pl.Series:
    """A column as text; whole floats lose their point, lists are joined by ``, ``."""
    if column.dtype == pl.String:
        return column
    if column.dtype.is_float():
        column = pl.select(pl.when(column.is_not_nan()).then(column)).to_series()
        whole = column.drop_nulls()
        if bool(((whole == whole.round()) & (whole.abs() < 2**53)).all()):
            column = column.cast(pl.Int64)
    if isinstance(column.dtype, pl.List):
        return column.cast(pl.List(pl.String)).list.join(", ", ignore_nulls=True)
    if isinstance(column.dtype, pl.Struct):
        return column.struct.json_encode()
    return column.cast(pl.String)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
