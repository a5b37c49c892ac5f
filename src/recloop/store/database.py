import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, insert, inspect, select

from recloop.errors import StoreError
from recloop.store import tables
from recloop.store.backend import Appended, Rows, backend
from recloop.store.writer import Writer

T = TypeVar("T")


class Database:
    """What a store lies in: one writer for all, readers that never wait for it, errors that say what to do.

    Args:
        url: of SQLite or PostgreSQL, or the path of a file.
        clock: seconds since 1970.
        timeout: seconds to wait while another process holds it.
    """

    def __init__(self, url: str | Path, clock: Callable[[], float] = time.time, timeout: float = 5.0) -> None:
        self.clock = clock
        self.backend = backend(url, timeout)
        self.name = self.backend.name
        self._engine = self.backend.engine
        try:
            with self.backend.explained():
                self._prepare()
                self._writer = Writer(self.backend)
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def pending(self) -> int:
        """Rows that wait to be written."""
        return self._writer.pending

    def append(self, rows: Rows) -> "Future[Appended]":
        """Have rows added to the log; the future is resolved once they are durable."""
        return self._writer.append(rows)

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        """Have ``work`` done inside the next transaction, alone; the future is resolved after its commit."""
        return self._writer.submit(work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """``work`` done inside a transaction, alone, durable when this returns."""
        return self._writer.submit(work).result()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees what is committed."""
        with self.backend.explained(), self._engine.connect() as connection:
            yield connection

    def identity(self) -> str:
        """What tells this store from others, and is the same for its copies."""
        with self.reading() as connection:
            return repr(connection.execute(select(tables.schema.c.created)).scalar_one())

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self._writer.close()
        self.backend.close()

    def _prepare(self) -> None:
        """Make the tables where there are none, renew older ones; refuse what is not ours or newer than this code."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table(tables.schema.name):
                self._create(connection)
            version = schema_version(connection)
            connection.rollback()  # reading ends; below, writing begins
            if version < tables.SCHEMA:
                self._renew(connection)
        if version > tables.SCHEMA:
            raise StoreError(
                f"the store {self.name} has schema {version}",
                allowed=f"this recloop reads schemas up to {tables.SCHEMA}",
                advice="upgrade recloop, or bring the store back with the newer one: recloop store downgrade",
            )

    def _renew(self, connection: Connection) -> None:
        from recloop.store.migrations import migrate  # Alembic is loaded by those who need it

        self.backend.begin(connection, alone=True)
        migrate(connection, tables.SCHEMA)
        connection.commit()

    def _create(self, connection: Connection) -> None:
        self.backend.begin(connection, alone=True)
        present = inspect(connection).get_table_names()
        if tables.schema.name in present:  # another process made them meanwhile
            connection.rollback()
            return
        if present:
            raise StoreError(
                f"the store {self.name} holds tables of something else ({', '.join(present[:3])})",
                allowed="a store is a file, database or schema of its own",
                advice="name another one",
            )
        tables.metadata.create_all(connection)
        connection.execute(insert(tables.schema).values(version=tables.SCHEMA, created=self.clock()))
        connection.commit()


def schema_version(connection: Connection) -> int:
    """The schema of the store behind a connection."""
    return int(connection.execute(select(tables.schema.c.version)).scalar_one())
