from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from recloop.store import tables
from recloop.store.database import Database


class AuditLine(NamedTuple):
    """Who did what to what, and when. ``actor`` is a key's name or the command that was run."""

    time: float
    actor: str
    action: str
    subject: str
    detail: str


class Audit:
    """The lines that say who changed what; each is written in the transaction of the change itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, connection: Connection, actor: str, action: str, subject: str, detail: str = "") -> None:
        """Add a line to the transaction that is under way on ``connection``."""
        line = AuditLine(self._database.clock(), actor, action, subject, detail)
        connection.execute(insert(tables.audit).values(line._asdict()))

    def add(self, actor: str, action: str, subject: str, detail: str = "") -> None:
        """Write a line in a transaction of its own, where nothing else in the store changes."""
        self._database.write(lambda connection: self.record(connection, actor, action, subject, detail))

    def about(self, action: str, subject: str) -> list[AuditLine]:
        """Every line of one action on one subject, oldest first."""
        t = tables.audit.c
        query = select(*(t[name] for name in AuditLine._fields)).where(t.action == action, t.subject == subject)
        with self._database.reading() as connection:
            return [AuditLine(*row) for row in connection.execute(query.order_by(t.seq))]

    def acted(self, actor: str) -> bool:
        """Whether somebody, or some command, of this name ever changed anything."""
        query = select(tables.audit.c.seq).where(tables.audit.c.actor == actor).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def lines(self, limit: int = 1000) -> list[AuditLine]:
        """The newest lines, newest first."""
        columns = (tables.audit.c[name] for name in AuditLine._fields)
        with self._database.reading() as connection:
            found = connection.execute(select(*columns).order_by(tables.audit.c.seq.desc()).limit(limit))
            return [AuditLine(*row) for row in found]
