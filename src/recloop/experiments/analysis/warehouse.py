"""Tables of a warehouse, as expressions of Ibis; summed up in the warehouse."""

from typing import Any

from recloop.errors import DataError
from recloop.experiments.analysis.source import Kind, Row

DIALECT = "duckdb"  # what queries are written in; Ibis translates them to the warehouse's


class Warehouse:
    """Tables that Ibis knows: any expression that is a table."""

    def __init__(self, exposures: Any, events: Any = None) -> None:
        import ibis

        self._backend = exposures.get_backend()
        self._tables = {
            name: table for name, table in (("exposures", exposures), ("events", events)) if table is not None
        }
        self.tables = {
            name: f"({ibis.to_sql(table, dialect=DIALECT)}) AS {name}" for name, table in self._tables.items()
        }

    def columns(self, table: str) -> dict[str, Kind]:
        """The columns and what they hold."""
        return {name: _kind(dtype) for name, dtype in self._tables[table].schema().items()}

    def rows(self, sql: str) -> list[Row]:
        """The answer to a query.

        Raises:
            DataError: the warehouse cannot compute it.
        """
        try:
            found = self._backend.sql(sql, dialect=DIALECT).to_pyarrow().to_pydict()
        except Exception as error:
            raise DataError(f"the warehouse says: {str(error).splitlines()[0]}") from error
        return list(zip(*found.values(), strict=True))


def is_ibis(value: Any) -> bool:
    """Whether it is a table of Ibis."""
    return type(value).__module__.partition(".")[0] == "ibis"


def _kind(dtype: Any) -> Kind:
    if dtype.is_numeric():
        return "number"
    if dtype.is_boolean():
        return "boolean"
    if dtype.is_string():
        return "text"
    return "time" if dtype.is_timestamp() or dtype.is_date() else "other"
