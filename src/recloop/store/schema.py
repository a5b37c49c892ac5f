"""The schema of a store that is not opened as one: told, and brought back for an older recloop."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, select

from recloop.errors import MissingError, SettingError
from recloop.store import tables
from recloop.store.backend import Backend, backend


def read_version(url: str | Path) -> int:
    """The schema of a store, without changing anything.

    Raises:
        MissingError: there is no store.
        StoreError: it cannot be read.
    """
    with _connected(url) as (_, connection):
        return int(connection.execute(select(tables.schema.c.version)).scalar_one())


def bring_back(url: str | Path, version: int) -> None:
    """Give a store an older schema; what that has no place for is lost. No service may run on it meanwhile.

    Raises:
        MissingError: there is no store.
        SettingError: there is no such schema, or it is newer than the store's.
    """
    from recloop.store.migrations import migrate

    now = read_version(url)
    if version > now:
        raise SettingError(f"the store has schema {now}, which is older than {version}", advice="recloop store upgrade")
    with _connected(url) as (found, connection):
        connection.rollback()
        found.begin(connection, alone=True)
        migrate(connection, version)
        connection.commit()


@contextmanager
def _connected(url: str | Path) -> Iterator[tuple[Backend, Connection]]:
    with closing(backend(url)) as found:
        missing = MissingError(f"there is no store at {found.name}", advice="name one with --store")
        if not found.present:
            raise missing
        with found.explained(), found.engine.connect() as connection:
            if not inspect(connection).has_table(tables.schema.name):
                raise missing
            yield found, connection
