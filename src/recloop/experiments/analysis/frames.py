"""Tables in memory: polars, pandas, and whatever speaks Arrow; summed up by polars."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from recloop.errors import DataError, SettingError
from recloop.experiments.analysis.source import Kind, Row


class Frames:
    """Frames of polars (also lazy), pandas or Arrow. Only the columns that a query names are converted.

    Raises:
        SettingError: it is no frame.
    """

    def __init__(self, exposures: Any, events: Any = None) -> None:
        self._frames = {
            name: _lazy(frame) for name, frame in (("exposures", exposures), ("events", events)) if frame is not None
        }
        self._context = pl.SQLContext(self._frames)
        self.tables = {name: name for name in self._frames}

    def columns(self, table: str) -> dict[str, Kind]:
        """The columns and what they hold."""
        return {name: _kind(dtype) for name, dtype in self._frames[table].collect_schema().items()}

    def rows(self, sql: str) -> list[Row]:
        """The answer to a query.

        Raises:
            DataError: a value cannot be read as a number.
        """
        try:
            return self._context.execute(sql).collect(engine="streaming").rows()
        except pl.exceptions.PolarsError as error:
            raise DataError(f"polars cannot read the data: {str(error).splitlines()[0]}") from error


def is_frame(value: Any) -> bool:
    """Whether it is a table in memory."""
    return isinstance(value, pl.DataFrame | pl.LazyFrame) or hasattr(value, "__arrow_c_stream__") or _is_pandas(value)


def _lazy(frame: Any) -> pl.LazyFrame:
    match frame:
        case pl.LazyFrame():
            return frame
        case pl.DataFrame():
            return frame.lazy()
        case _ if _is_pandas(frame):
            return pl.DataFrame(list(_pandas_columns(frame))).lazy()
        case _ if hasattr(frame, "__arrow_c_stream__"):
            return pl.DataFrame(frame).lazy()
    raise SettingError(
        f"the rows are a {type(frame).__name__}", allowed="a frame of polars, pandas or Arrow, a file, or a query"
    )


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def _pandas_columns(frame: Any) -> Iterable[pl.Series]:
    """Numbers and times as they lie in memory; all else by way of Python objects, since pyarrow may be absent."""
    for name in frame.columns:
        column = frame[name]
        numpy_kind = getattr(column.dtype, "kind", "O") if type(column.dtype).__module__.startswith("numpy") else "O"
        if numpy_kind in "biufM":
            yield pl.Series(str(name), column.to_numpy())
        elif getattr(column.dtype, "tz", None) is not None:
            yield pl.Series(str(name), column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        else:
            values = column.astype(object).where(column.notna(), None).to_list()
            try:
                yield pl.Series(str(name), values)
            except (TypeError, pl.exceptions.PolarsError):  # text among numbers
                yield pl.Series(str(name), [None if value is None else str(value) for value in values], pl.String)


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Null:  # all of it is empty
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    return "time" if isinstance(dtype, pl.Datetime | pl.Date) else "other"
