"""Taking one user out of the log, so that nothing of it is left in the file either."""

from sqlalchemy import Connection, delete, func, select

from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database

LOGS = (tables.events, tables.decisions, tables.feedback)
ACTION, SUBJECT = "erase person", "person"


class Erasure:
    """Counts and erases the rows of one user. The audit line says that it was done, when, by whom, and not of whom."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def counts(self, user: str) -> dict[str, int]:
        """How many rows of each log are the user's."""
        with self._database.reading() as connection:
            return _counts(connection, user)

    def erase(self, user: str, *, actor: str = "") -> dict[str, int]:
        """Delete the user's rows, in one transaction with the audit line; how many there were of each log.

        What SQLite frees is overwritten with zeros, and the write-ahead log is emptied, so that neither file holds the
        rows. Backups and the disk's own copies are not ours to reach.
        """

        def work(connection: Connection) -> dict[str, int]:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            found = _counts(connection, user)
            for table in LOGS:
                connection.execute(delete(table).where(table.c.user == user))
            told = ", ".join(f"{rows} {name}" for name, rows in found.items())
            self._audit.record(connection, actor, ACTION, SUBJECT, told)
            return found

        found = self._database.write(work)
        with self._database.reading() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return found

    def times(self) -> int:
        """How often somebody was erased: what a process compares to know that its memory is stale."""
        t = tables.audit.c
        with self._database.reading() as connection:
            query = select(func.count()).select_from(tables.audit).where(t.action == ACTION, t.subject == SUBJECT)
            return int(connection.execute(query).scalar_one())


def _counts(connection: Connection, user: str) -> dict[str, int]:
    return {
        table.name: int(
            connection.execute(select(func.count()).select_from(table).where(table.c.user == user)).scalar_one()
        )
        for table in LOGS
    }
