import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, insert, inspect, select

from recloop.errors import StoreError
from recloop.store import sqlite, tables
from recloop.store.migrations import migrate
from recloop.store.writer import Writer

T = TypeVar("T")


class Database:
    """The file under a store: one writer for all, readers that never wait for it, errors that say what to do.

    Args:
        url: ``sqlite:///file.db`` or the path of the file.
        clock: seconds since 1970.
        timeout: seconds to wait while another process holds the file.
    """

    def __init__(self, url: str | Path, clock: Callable[[], float] = time.time, timeout: float = 5.0) -> None:
        parsed = sqlite.parse(url)
        self.name = str(parsed.database)
        self.clock = clock
        self._engine = sqlite.connect(parsed, timeout)
        try:
            with self._explained():
                self._prepare()
                self._writer = Writer(self._engine.connect(), partial(sqlite.explain, where=self.name))
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def pending(self) -> int:
        """Rows that wait to be written."""
        return self._writer.pending

    def submit(self, work: Callable[[Connection], T], rows: int = 1) -> "Future[T]":
        """Have ``work`` done inside the next transaction; the future is resolved after its commit."""
        return self._writer.submit(work, rows)

    def write(self, work: Callable[[Connection], T]) -> T:
        """``work`` done inside a transaction, durable when this returns."""
        return self._writer.submit(work).result()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees what is committed."""
        with self._explained(), self._engine.connect() as connection:
            yield connection

    def copy_to(self, file: Path) -> None:
        """A copy of the whole as it is at one moment; ``file`` must not exist."""
        with self.reading() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(file),))

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self._writer.close()
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            found = sqlite.explain(error, self.name)
            if found is error:
                raise
            raise found from error

    def _prepare(self) -> None:
        """Make the tables where there are none, renew older ones; refuse what is not ours or newer than this code."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table(tables.schema.name):
                self._create(connection)
            version = _version(connection)
            connection.rollback()  # reading ends; below, writing begins
            if version < tables.SCHEMA:
                self._renew(connection)
        if version > tables.SCHEMA:
            raise StoreError(
                f"the store {self.name} has schema {version}",
                allowed=f"this recloop reads schemas up to {tables.SCHEMA}",
                advice="upgrade recloop, or name another file",
            )

    def _renew(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrate(connection, _version(connection))  # read again: another process may have done it meanwhile
        connection.commit()

    def _create(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        present = inspect(connection).get_table_names()
        if tables.schema.name in present:  # another process made them meanwhile
            connection.rollback()
            return
        if present:
            raise StoreError(
                f"the store {self.name} holds tables of something else ({', '.join(present[:3])})",
                allowed="a store is a file of its own",
                advice="name another file",
            )
        tables.metadata.create_all(connection)
        connection.execute(insert(tables.schema).values(version=tables.SCHEMA, created=self.clock()))
        connection.commit()


def _version(connection: Connection) -> int:
    return int(connection.execute(select(tables.schema.c.version)).scalar_one())
