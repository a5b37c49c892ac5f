"""PostgreSQL under a store: one transaction at a time may be alone, rows arrive by COPY, errors are sentences."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Table, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError

from recloop.errors import ExtraError, RecloopError, SettingError, StoreError
from recloop.store import tables
from recloop.store.backend import ARRIVALS, HISTORY, Appended, Backend, Row, Rows

# Numbers in ``seq`` are given before a commit: a process might commit lower ones after another committed higher ones.
# Who follows the log by them must miss nothing, so events are written by one process at a time (``EVENTS``), and who
# asks to be alone waits for all that write anything (``WRITING``, which they share).
WRITING = 0x7265636C6F6F70  # "recloop"
EVENTS = WRITING + 1

AGAIN = "send it again; the same ids count once"
ADVICE = {
    "08": ("was cut off", f"check that PostgreSQL runs, then {AGAIN}"),
    "57P": ("was stopped", f"wait until PostgreSQL runs again, then {AGAIN}"),
    "25006": ("is read-only", "name the primary server, not a standby"),
    "42501": ("may not be written by this user", "grant the user the right to make and change tables"),
    "53100": ("cannot grow: the disk is full", "free space on the server's disk; what was acknowledged is kept"),
    "53": ("has no room for this", "give the server more memory or connections; what was acknowledged is kept"),
    "55P03": ("is locked by another process", f"wait and {AGAIN}"),
    "57014": ("took too long", f"wait and {AGAIN}"),
    "40": ("had two writers in each other's way", AGAIN),
}
_json = msgspec.json.Encoder().encode
UNREADABLE = ("22021", "22P05")  # a text that PostgreSQL cannot hold: it has the character NUL


class Postgres(Backend):
    """A database of its own, or a schema of its own in one: ``…/shop?options=-csearch_path%3Drecloop``.

    Every connection commits to the disk (``synchronous_commit``) and waits ``timeout`` s for a lock. Several processes
    on several machines may share it.

    Raises:
        ExtraError: psycopg is not installed.
    """

    remote = True

    def __init__(self, url: URL, timeout: float) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise ExtraError.of("a store in PostgreSQL", "postgres") from error
        self.name = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
        self._lock_timeout = f"{round(timeout * 1000)}ms"
        # a connection that the server has closed is found when it is handed out, not when it is used
        # and one whose server went without a word, at the latest after some seconds
        alive = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
        settings = {"connect_timeout": max(2, round(timeout)), **alive}
        settings = {name: value for name, value in settings.items() if name not in url.query}
        self.engine = create_engine(url, pool_pre_ping=True, connect_args=settings)
        event.listen(self.engine, "connect", self._settings)

    @property
    def present(self) -> bool:
        """Whether the tables are there.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self.explained(), self.engine.connect() as connection:
            return inspect(connection).has_table(tables.schema.name)

    def begin(self, connection: Connection, *, alone: bool) -> None:
        """Take the lock, whole or shared; a connection that was lost meanwhile is made anew, once."""
        lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        try:
            connection.exec_driver_sql(f"SELECT {lock}({WRITING})")
        except DBAPIError as error:
            connection.rollback()
            if not error.connection_invalidated:
                raise
            connection.exec_driver_sql(f"SELECT {lock}({WRITING})")

    def append(self, connection: Connection, batches: Sequence[Rows]) -> list[Appended]:
        """Add rows, all of a table at once, and find out from the ids that were new how many each batch had."""
        accepted = [0] * len(batches)
        for table in tables.LOG:  # in this order in every process, and ids in theirs: so that none waits in a circle
            places = [place for place, batch in enumerate(batches) if batch.table is table and batch.rows]
            if not places:
                continue
            cursor: Any = connection.connection.cursor()
            insert = _insert_events if table is tables.events else _insert_staged
            new = insert(cursor, table, [row for place in places for row in batches[place].rows])
            for place in places:
                ids = {row[0] for row in batches[place].rows} & new
                accepted[place] = len(ids)
                new -= ids
        return [Appended(count, len(batch.rows) - count) for count, batch in zip(accepted, batches, strict=True)]

    def histories(self, users: Sequence[str], limit: int) -> list[list[Row]]:
        """The last events of each user, newest first; one way to the server and back."""
        found: list[list[Row]] = [[] for _ in users]
        with self.engine.connect() as connection:
            cursor = connection.connection.cursor()
            for place, *row in cursor.execute(_HISTORIES, (list(users), limit, limit, limit)).fetchall():
                found[place - 1].append(tuple(row))
        return found

    def arrivals(self, after: int, limit: int) -> list[Row]:
        """The events that came after a number."""
        with self.engine.connect() as connection:
            found: list[Row] = connection.connection.cursor().execute(_ARRIVALS, (after, limit)).fetchall()
        return found

    def explain(self, error: BaseException) -> BaseException:
        """What an error of PostgreSQL means."""
        import psycopg

        origin = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(origin, psycopg.Error):
            return error
        state, said = origin.sqlstate or "", str(origin).partition("\n")[0].removeprefix("connection failed: ")
        found: RecloopError
        if state in UNREADABLE or (isinstance(origin, psycopg.DataError) and "NUL" in str(origin)):
            found = SettingError("a text holds the character NUL", allowed="PostgreSQL keeps texts without it")
        else:
            what, advice = next(
                (words for prefix, words in ADVICE.items() if state.startswith(prefix)),
                (f"failed ({said})", "what was acknowledged is kept"),
            )
            if not state and isinstance(origin, psycopg.OperationalError):  # no server answered, or it let nobody in
                what, advice = f"cannot be reached ({said})", f"check the URL and that PostgreSQL runs, then {AGAIN}"
            found = StoreError(f"the store {self.name} {what}", advice=advice)
        found.__cause__ = error
        return found

    def _settings(self, connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (self._lock_timeout,))
            # who got a lock sees what was committed before it
            cursor.execute("SET default_transaction_isolation = 'read committed'")
            # what is acknowledged is on disk, whatever the server does by default; a standby may be waited for besides
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
            encoding = cursor.execute("SHOW server_encoding").fetchone()[0]
        connection.commit()
        if encoding != "UTF8":
            raise StoreError(
                f"the store {self.name} has the encoding {encoding}",
                allowed="a store is in UTF8",
                advice="make it with: createdb --encoding UTF8 --template template0 NAME",
            )


def _insert_events(cursor: Any, table: Table, rows: list[Row]) -> set[str]:
    """The ids of the events that were new. Nobody else writes events now, so those that are not known now are new."""
    cursor.execute(f"SELECT pg_advisory_xact_lock({EVENTS})")
    # planned anew each time: a plan that was made while the table was small would read all of it when it is large
    found = cursor.execute(_KNOWN, {"ids": _json([row[0] for row in rows]).decode()}, prepare=False)
    known = {name for (name,) in found}
    new: set[str] = set()
    with cursor.copy(_copy(table, table.name)) as copying:
        for row in rows:
            if row[0] not in known and row[0] not in new:  # the first one of an id stays
                new.add(row[0])
                copying.write_row(row)
    return new


def _insert_staged(cursor: Any, table: Table, rows: list[Row]) -> set[str]:
    """The ids of the rows that were new, where others may write the same ones at this moment."""
    stage, copy, insert = _STATEMENTS[table.name]
    cursor.execute(stage)
    with cursor.copy(copy) as copying:
        for row in rows:
            copying.write_row(row)
    return {name for (name,) in cursor.execute(insert)}


def _copy(table: Table, into: str) -> str:
    names = ", ".join(f'"{name}"' for name in tables.sent(table))
    return f"COPY {into} ({names}) FROM STDIN"


def _statements(table: Table) -> tuple[str, str, str]:
    """What makes the staging table, fills it and empties it into the table of the log.

    The staging table numbers its rows as they arrive; they are inserted in the order of their ids, so that two
    processes that send the same ids never wait for each other in a circle.
    """
    names = ", ".join(f'"{name}"' for name in tables.sent(table))
    stage = f"staged_{table.name}"
    insert = (
        f"INSERT INTO {table.name} (seq, {names}) SELECT seq, {names} FROM {stage} "  # noqa: S608  our own names
        f"WHERE NOT EXISTS (SELECT 1 FROM archived_ids WHERE log = '{table.name}' AND archived_ids.id = {stage}.id) "
        "ORDER BY id, seq ON CONFLICT (id) DO NOTHING RETURNING id"
    )
    return (
        f"CREATE TEMP TABLE IF NOT EXISTS {stage} (LIKE {table.name} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
        _copy(table, stage),
        insert,
    )


_STATEMENTS = {table.name: _statements(table) for table in (tables.decisions, tables.feedback)}
# the ids as JSON: psycopg takes 1.6 µs for each element of an array, and this a hundredth of that
_KNOWN = """
    WITH asked AS MATERIALIZED (SELECT ARRAY(SELECT json_array_elements_text(%(ids)s::json)) AS ids)
    SELECT id FROM events WHERE id = ANY((SELECT ids FROM asked)::text[])
    UNION ALL SELECT id FROM archived_ids WHERE log = 'events' AND id = ANY((SELECT ids FROM asked)::text[])
"""
_EACH = """
    SELECT asked.place, own.* FROM unnest(%s::text[]) WITH ORDINALITY AS asked(name, place)
    CROSS JOIN LATERAL ({}) AS own
    ORDER BY asked.place, own.time DESC, own.hot DESC, own.seq DESC
"""
_HISTORIES = _EACH.format(HISTORY.format(user="asked.name", limit="%s"))
_ARRIVALS = ARRIVALS.format("%s")
