"""SQLite under a store: durable settings, and its errors as sentences."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, PoolProxiedConnection, Table, create_engine, event
from sqlalchemy.exc import DBAPIError

from recloop.errors import SettingError, StoreError
from recloop.store import tables
from recloop.store.backend import ARRIVALS, HISTORY, Appended, Backend, Row, Rows

ADVICE = {
    "SQLITE_BUSY": ("is locked by another process", "wait and send it again; the same ids count once"),
    "SQLITE_LOCKED": ("is locked by another process", "wait and send it again; the same ids count once"),
    "SQLITE_READONLY": ("is read-only", "give this user the right to write to the file and its folder"),
    "SQLITE_FULL": ("cannot grow: the disk is full", "free space on the disk; what was acknowledged is kept"),
    "SQLITE_IOERR": ("cannot be written or read", "check the disk and its free space; what was acknowledged is kept"),
    "SQLITE_NOTADB": ("is not a database", "name another file, or restore this one from a backup"),
    "SQLITE_CORRUPT": ("is damaged", "restore it from a backup"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check that its folder exists and may be written"),
    "SQLITE_PERM": ("cannot be opened", "check who may read and write the file"),
}


class SQLite(Backend):
    """A file. Every connection is durable (WAL, ``synchronous=FULL``) and waits ``timeout`` s for a lock.

    Raises:
        SettingError: it would be in memory.
    """

    def __init__(self, url: URL, timeout: float) -> None:
        if not url.database or ":memory:" in url.database:
            raise SettingError(
                "the store is in memory",
                allowed="what is acknowledged must survive, so a store is a file",
                advice="use sqlite:///file.db",
            )
        self.name = url.database
        self.archive = Path(self.name.removeprefix("file:")).with_suffix(".archive")
        self.engine = create_engine(url, connect_args={"timeout": timeout, "check_same_thread": False})
        event.listen(self.engine, "connect", _settings)
        self._kept = threading.Lock()
        self._looks: PoolProxiedConnection | None = None

    @property
    def present(self) -> bool:
        """Whether the file is there; what is written as a URI is taken on trust."""
        return self.name.startswith("file:") or Path(self.name).exists()

    def begin(self, connection: Connection, *, alone: bool) -> None:  # noqa: ARG002  one writes at a time anyway
        """Take the file's write lock."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def append(self, connection: Connection, batches: Sequence[Rows]) -> list[Appended]:
        """Add rows, batch by batch."""
        # the driver's own cursor: thousands of rows a commit leave no room for an object per row
        return _appended(connection.connection.cursor(), batches)

    def take(self, connection: Connection, batches: Sequence[Rows]) -> list[Appended]:
        """As ``append``, by the driver alone: a small transaction costs it half of what it costs SQLAlchemy."""
        own = connection.connection
        cursor = own.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            added = _appended(cursor, batches)
            cursor.execute("COMMIT")
        except BaseException:
            own.rollback()
            raise
        return added

    def histories(self, users: Sequence[str], limit: int) -> list[list[Row]]:
        """The last events of each user, newest first."""
        with self._looking() as cursor:
            return [cursor.execute(_HISTORY, (user, limit, user, limit, limit)).fetchall() for user in users]

    def arrivals(self, after: int, limit: int) -> list[Row]:
        """The events that came after a number."""
        with self._looking() as cursor:
            found: list[Row] = cursor.execute(_ARRIVALS, (after, limit)).fetchall()
        return found

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Cursor]:
        """A connection kept for what each slate asks: a look costs 5 µs, and 90 with the pool."""
        with self._kept:
            if self._looks is None:
                self._looks = self.engine.raw_connection()
            yield cast("sqlite3.Cursor", self._looks.cursor())

    def close(self) -> None:
        """Let all connections go."""
        with self._kept:
            if self._looks is not None:
                self._looks.close()
                self._looks = None
        super().close()

    def explain(self, error: BaseException) -> BaseException:
        """What an error of SQLite means."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(origin, sqlite3.Error):
            return error
        name = getattr(origin, "sqlite_errorname", "") or ""
        for prefix, (what, advice) in ADVICE.items():
            if name.startswith(prefix):
                found = StoreError(f"the store {self.name} {what}", advice=advice)
                break
        else:
            found = StoreError(f"the store {self.name} failed ({origin})", advice="what was acknowledged is kept")
        found.__cause__ = error
        return found


def _settings(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where BEGIN stands, nowhere else
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _appended(cursor: Any, batches: Sequence[Rows]) -> list[Appended]:
    accepted = [cursor.executemany(_INSERTS[table.name], rows).rowcount if rows else 0 for table, rows in batches]
    return [Appended(new, len(batch.rows) - new) for new, batch in zip(accepted, batches, strict=True)]


def _insert(table: Table) -> str:
    names = tables.sent(table)
    given = ", ".join(f'? AS "{name}"' for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    return f"""
        INSERT INTO {table.name} ({listed}) SELECT {listed} FROM (SELECT {given}) AS given
        WHERE NOT EXISTS (SELECT 1 FROM archived_ids WHERE log = '{table.name}' AND archived_ids.id = given.id)
        ON CONFLICT (id) DO NOTHING
    """  # noqa: S608  the names are those of our own tables


_INSERTS = {table.name: _insert(table) for table in tables.LOG}
_HISTORY = HISTORY.format(user="?", limit="?")
_ARRIVALS = ARRIVALS.format("?")
