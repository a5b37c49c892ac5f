"""Where the rows lie. A source runs one dialect of SQL, the part that all engines share, and returns a few rows."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

Kind = Literal["number", "boolean", "text", "time", "other"]
Row = tuple[Any, ...]


class Source(Protocol):
    """Tables that can be summed up where they lie.

    ``tables`` maps ``exposures`` (or users) and, where there is one, ``events`` to what stands behind FROM.
    """

    @property
    def tables(self) -> Mapping[str, str]:
        """Name → what stands behind FROM."""

    def columns(self, table: str) -> dict[str, Kind]:
        """The columns of a table and what they hold."""

    def rows(self, sql: str) -> list[Row]:
        """The answer to a query.

        Raises:
            DataError: the engine cannot compute it.
        """


@runtime_checkable
class TellsApart(Protocol):
    """A source that may know cheaply that each user has one row."""

    def distinct(self, table: str, column: str, inside: str) -> bool:
        """Whether it is known that no value of a column comes twice in the rows ``inside`` (``WHERE …``).

        False where one does, or where only grouping by it would tell.
        """


def quoted(name: str) -> str:
    """A name as SQL writes it.

    >>> quoted('my "own" column')
    '"my ""own"" column"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(value: float | str) -> str:
    """A value as SQL writes it. Numbers are cast: engines read ``1.5`` as a decimal, whose sums are slow and overflow.

    >>> literal(1.5), literal("it's")
    ('CAST(1.5 AS DOUBLE PRECISION)', "'it''s'")
    """
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"CAST({float(value)!r} AS DOUBLE PRECISION)"
