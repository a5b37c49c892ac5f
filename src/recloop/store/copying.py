"""All rows of a store from one database into another, of either kind, with the numbers that they have."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from recloop.errors import ConflictError
from recloop.store import tables
from recloop.store.database import Database

CHUNK = 10_000  # rows held as Python objects at a time


def copy_to_file(source: Database, file: Path) -> None:
    """A copy of a store as it is at one moment, as an SQLite file that must not exist; others may write meanwhile.

    Raises:
        StoreError: the store cannot be read, or the file cannot be written.
    """
    if source.backend.kind == "sqlite":
        with source.reading() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(file),))
        return
    target = Database(file, source.clock)
    try:
        with source.reading() as connection:
            # one snapshot for all tables: a decision and its events are of the same moment
            frozen = connection.execution_options(isolation_level="REPEATABLE READ", stream_results=True)
            target.write(lambda into: _copy(frozen, into))
    finally:
        target.close()


def fill_from_file(target: Database, file: Path) -> None:
    """Take over all rows of an SQLite store into one that has none yet, in one transaction.

    Raises:
        ConflictError: there are rows already.
        SettingError: a text holds what the database cannot keep.
        StoreError: it cannot be written.
    """
    source = Database(file, target.clock)
    try:
        with source.reading() as connection:
            target.write(lambda into: _copy(connection, into))
    finally:
        source.close()


def _copy(source: Connection, target: Connection) -> None:
    copied = [table for table in tables.metadata.sorted_tables if table is not tables.schema]
    full = [table.name for table in copied if _last(target, table)]
    if full:
        raise ConflictError(
            f"the store holds rows already ({', '.join(full)})",
            allowed="only an empty store takes over another one",
            advice="name a new database, or a schema of its own in one",
        )
    created = source.execute(select(tables.schema.c.created)).scalar_one()  # the store stays the one that it was
    target.execute(tables.schema.update().values(created=created))
    for table in copied:
        for rows in _chunks(source, table):
            _insert(target, table, rows)
        if "seq" in table.c and target.dialect.name == "postgresql" and (last := _last(target, table)):
            after = text("SELECT setval(pg_get_serial_sequence(:name, 'seq'), :last)")
            target.execute(after, {"name": table.name, "last": last})


def _last(connection: Connection, table: Table) -> Any:
    """The greatest key of a table; nothing where it is empty."""
    return connection.execute(select(func.max(next(iter(table.primary_key))))).scalar_one()


def _chunks(source: Connection, table: Table) -> Iterator[Sequence[Sequence[Any]]]:
    yield from source.execute(select(*table.c).order_by(*table.primary_key)).partitions(CHUNK)


def _insert(target: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    cursor: Any = target.connection.cursor()
    if target.dialect.name == "sqlite":
        statement = str(insert(table).compile(target, column_keys=[column.name for column in table.c]))
        cursor.executemany(statement, list(map(tuple, rows)))
        return
    names = ", ".join(f'"{column.name}"' for column in table.c)
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copying:
        for row in rows:
            copying.write_row(row)
