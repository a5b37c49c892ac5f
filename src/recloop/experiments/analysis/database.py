"""Tables of a database, summed up in its server."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from recloop.errors import DataError, ExtraError, SettingError
from recloop.experiments.analysis.source import Kind, Row, quoted

SAMPLE = 100  # rows from which the kinds of columns are told


class Database:
    """Tables, or queries, of a database that SQLAlchemy reaches; PostgreSQL is the one that is tested.

    Args:
        database: URL or engine.
        exposures: name of a table (with its schema, where there is one), or a SELECT.
        events: likewise.

    Raises:
        ExtraError: the driver is not installed.
        SettingError: the URL cannot be read.
    """

    def __init__(self, database: str | sa.Engine, exposures: str, events: str | None = None) -> None:
        self._engine = database if isinstance(database, sa.Engine) else _engine(database)
        named = (("exposures", exposures), ("events", events))
        self.tables: Mapping[str, str] = {name: _relation(text, name) for name, text in named if text}

    def columns(self, table: str) -> dict[str, Kind]:
        """The columns and what they hold, told from some rows."""
        with self._connect() as connection:
            found = _ask(connection, f"SELECT * FROM {self.tables[table]} LIMIT {SAMPLE}")
            names, rows = list(found.keys()), found.fetchall()
        return {name: _kind([row[place] for row in rows]) for place, name in enumerate(names)}

    def rows(self, sql: str) -> list[Row]:
        """The answer to a query.

        Raises:
            DataError: the server cannot compute it.
        """
        with self._connect() as connection:
            return [tuple(map(_plain, row)) for row in _ask(connection, sql).fetchall()]

    def _connect(self) -> "_Connected":
        return _Connected(self._engine)


class _Connected:
    """A connection whose errors are ours."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __enter__(self) -> sa.Connection:
        try:
            self._connection = self._engine.connect()
        except sa.exc.SQLAlchemyError as error:
            raise _said(error) from error
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, sa.exc.SQLAlchemyError):
            raise _said(error) from error


def _ask(connection: sa.Connection, sql: str) -> sa.CursorResult[Any]:
    # a query of the caller's may hold a per cent sign, which is no placeholder
    return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _said(error: sa.exc.SQLAlchemyError) -> DataError:
    return DataError(f"the database says: {str(getattr(error, 'orig', None) or error).splitlines()[0]}")


def _engine(url: str) -> sa.Engine:
    # the driver that the extra brings, where the URL names none
    address = url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        return sa.create_engine(address, poolclass=sa.NullPool)  # nothing stays open once it was read
    except sa.exc.ArgumentError:
        raise SettingError("the database's URL cannot be read", allowed="postgresql://user@host/name") from None
    except ModuleNotFoundError as error:
        raise ExtraError.of(f"the driver {error.name}", "postgres") from None


def _relation(text: str, name: str) -> str:
    if len(text.split()) > 1:
        return f"({text.strip().rstrip(';')}) AS {name}"
    return ".".join(quoted(part) for part in text.split("."))


def _kind(values: list[Any]) -> Kind:
    known = next((value for value in values if value is not None), 0)
    match known:
        case bool():
            return "boolean"
        case int() | float() | Decimal():
            return "number"
        case str():
            return "text"
        case date():
            return "time"
    return "other"


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
