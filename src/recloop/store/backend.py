"""What differs between the databases that a store may lie in: five things, and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Engine, Table, make_url
from sqlalchemy.exc import ArgumentError

from recloop.errors import SettingError

Row = tuple[Any, ...]
# Written out because it stands on the path of every request: building it anew costs more than running it. The driver's
# own sign for a parameter is put in.
HISTORY = """
    SELECT "user", item, kind, time, value, id, decision, hot, seq FROM (
        SELECT * FROM (
            SELECT "user", item, kind, time, value, id, decision, 1 AS hot, seq
            FROM events WHERE "user" = {user} ORDER BY time DESC, seq DESC LIMIT {limit}
        ) AS present
        UNION ALL
        SELECT * FROM (
            SELECT "user", item, kind, time, value, id, decision, 0 AS hot, seq
            FROM archived_tails WHERE "user" = {user} ORDER BY time DESC, seq DESC LIMIT {limit}
        ) AS archived
    ) AS both_of_them ORDER BY time DESC, hot DESC, seq DESC LIMIT {limit}
"""
# Asked before each slate where other processes may have taken events; mostly nothing has come
ARRIVALS = """
    SELECT seq, "user", item, kind, time, value, id, decision FROM events WHERE seq > {0} ORDER BY seq LIMIT {0}
"""
SUPPORTED = "sqlite:///file.db and postgresql://user@host/database are supported"


class Rows(NamedTuple):
    """Rows that one caller has for a table of the log, in the order of its columns without ``seq``."""

    table: Table
    rows: list[Row]


class Appended(NamedTuple):
    """What became of rows that were sent: new ones, and ones whose id was there already."""

    accepted: int
    duplicates: int


class Backend(ABC):
    """A database under a store.

    Attributes:
        name: what errors call it; no secret is in it.
        engine: hands out connections.
        archive: the folder of archived days; None where nobody has named one.
        remote: whether another process keeps it.
    """

    name: str
    engine: Engine
    archive: Path | None = None
    remote: bool = False

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @property
    @abstractmethod
    def present(self) -> bool:
        """Whether there is a store, or at least something in its place; opening makes what is not there."""

    @abstractmethod
    def begin(self, connection: Connection, *, alone: bool) -> None:
        """Begin a transaction that writes.

        Args:
            connection: it has none under way.
            alone: no other transaction that writes runs beside it, in any process: it sees all that was committed,
                and nothing becomes visible before it that it has not seen.
        """

    @abstractmethod
    def append(self, connection: Connection, batches: Sequence[Rows]) -> list[Appended]:
        """Add rows whose ids are new, and count them batch by batch. The first one of an id stays.

        An id is known that is in the table, or is one of those that left it for the archive.
        """

    def take(self, connection: Connection, batches: Sequence[Rows]) -> list[Appended]:
        """As ``append``, in a transaction of its own: they are on disk when this returns."""
        self.begin(connection, alone=False)
        added = self.append(connection, batches)
        connection.commit()
        return added

    @abstractmethod
    def histories(self, users: Sequence[str], limit: int) -> list[list[Row]]:
        """The last events of each user, newest first: user, item, kind, time, value, id, decision, and two numbers."""

    @abstractmethod
    def arrivals(self, after: int, limit: int) -> list[Row]:
        """The first events above a number, in order: seq, user, item, kind, time, value, id, decision."""

    @abstractmethod
    def explain(self, error: BaseException) -> BaseException:
        """The error that says what an error of the database means; any other error as it is."""

    def close(self) -> None:
        """Let the connections go that nobody uses."""
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Errors of the database inside are raised as those that say what they mean."""
        try:
            yield
        except Exception as error:
            found = self.explain(error)
            if found is error:
                raise
            raise found from error


def parse(url: str | Path) -> URL:
    """The URL of a store; the bare path of a file is one of SQLite.

    Raises:
        SettingError: another database.

    >>> parse("shop.db").render_as_string(), parse("postgres://me@host/shop").drivername
    ('sqlite:///shop.db', 'postgresql+psycopg')
    """
    text = str(url)
    try:
        parsed = make_url(text) if "://" in text else URL.create("sqlite", database=text)
    except ArgumentError as error:
        raise SettingError(f"the store '{text}' is not a URL", advice="use sqlite:///file.db") from error
    kind = parsed.get_backend_name()
    if kind in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise SettingError(f"the store is a '{kind}' database", allowed=SUPPORTED)
    return parsed


def backend(url: str | Path, timeout: float = 5.0) -> Backend:
    """The database that a URL names, and with ``?archive=FOLDER`` its archive; nothing is opened yet.

    Raises:
        SettingError: another database, or one in memory.
        ExtraError: PostgreSQL, without the extra ``postgres``.
    """
    parsed = parse(url)
    named, parsed = parsed.query.get("archive"), parsed.difference_update_query(["archive"])
    found: Backend
    if parsed.get_backend_name() == "sqlite":
        from recloop.store.sqlite import SQLite

        found = SQLite(parsed, timeout)
    else:
        from recloop.store.postgres import Postgres

        found = Postgres(parsed, timeout)
    if named:
        found.archive = Path(named if isinstance(named, str) else named[-1])
    return found
