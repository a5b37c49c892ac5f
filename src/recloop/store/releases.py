from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from recloop.errors import ConflictError, MissingError, nearest
from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database


class ReleaseRecord(NamedTuple):
    """A release that the service may load: its folder, the checksum of the whole, and whether it is in use."""

    name: str
    path: str
    checksum: str
    created: float
    active: bool


class ReleaseRecords:
    """Releases by name, and the stack of promotions: its top is active, and rolling back takes the top away."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def add(self, name: str, path: str, checksum: str, *, actor: str = "") -> ReleaseRecord:
        """Keep a release, without making it active.

        Raises:
            ConflictError: the name is taken by another folder or another content.
        """

        def work(connection: Connection) -> ReleaseRecord:
            known = {record.name: record for record in self._all(connection)}
            if name in known and (known[name].path, known[name].checksum) == (path, checksum):
                return known[name]
            if name in known and known[name].checksum == checksum:
                raise ConflictError(
                    f"the release '{name}' lies at {known[name].path} already",
                    allowed="this folder holds the same one, and a release has one place",
                    advice="name that folder, or none: what the store knows is served without being named",
                )
            if name in known:
                raise ConflictError(
                    f"there is a release '{name}' already, at {known[name].path}",
                    allowed="a release never changes once it has a name",
                    advice="build it under another name",
                )
            record = ReleaseRecord(name, path, checksum, self._database.clock(), active=False)
            values = {key: value for key, value in record._asdict().items() if key != "active"}
            connection.execute(insert(tables.releases).values(values))
            self._audit.record(connection, actor, "add release", name, path)
            return record

        return self._database.write(work)

    def promote(self, name: str, *, actor: str = "", detail: str = "") -> ReleaseRecord:
        """Make a release the active one; nothing changes where it is so already.

        Args:
            name: of the release.
            actor: who asks.
            detail: what the audit line says beside.

        Raises:
            MissingError: there is none of that name; the nearest is offered.
        """

        def work(connection: Connection) -> ReleaseRecord:
            record = self._named(self._all(connection), name)
            if not record.active:
                connection.execute(insert(tables.promotions).values(release=name, time=self._database.clock()))
                self._audit.record(connection, actor, "promote release", name, detail)
            return record._replace(active=True)

        return self._database.write(work)

    def rollback(self, *, actor: str = "") -> ReleaseRecord:
        """Undo the last promotion; returns the release that was active before it, which is so again.

        Raises:
            ConflictError: there is none before.
        """

        def work(connection: Connection) -> ReleaseRecord:
            stack = self._stack(connection, 2)
            if len(stack) < 2:
                raise ConflictError("there is no release to roll back to", allowed="at least two promotions are needed")
            (top, undone), (_, name) = stack
            where = tables.promotions.c.seq == top
            connection.execute(update(tables.promotions).where(where).values(undone=self._database.clock()))
            self._audit.record(connection, actor, "roll back release", name, f"from {undone}")
            return self._named(self._all(connection), name)

        return self._database.write(work)

    def relocate(self, paths: Mapping[str, str], *, actor: str = "") -> None:
        """Releases lie elsewhere from now on: by name, the folder. Their content is what it was.

        Raises:
            MissingError: there is none of that name.
        """

        def work(connection: Connection) -> None:
            records = self._all(connection)
            for name, path in paths.items():
                before = self._named(records, name).path
                connection.execute(update(tables.releases).where(tables.releases.c.name == name).values(path=path))
                self._audit.record(connection, actor, "move release", name, f"from {before}")

        self._database.write(work)

    def get(self, name: str) -> ReleaseRecord:
        """One release.

        Raises:
            MissingError: there is none of that name; the nearest is offered.
        """
        with self._database.reading() as connection:
            return self._named(self._all(connection), name)

    def active(self) -> ReleaseRecord | None:
        """The release in use, None before the first promotion."""
        return next((record for record in self.all() if record.active), None)

    def previous(self) -> ReleaseRecord | None:
        """The release that rolling back would bring, None where there is none."""
        with self._database.reading() as connection:
            stack = self._stack(connection, 2)
            return self._named(self._all(connection), stack[1][1]) if len(stack) == 2 else None

    def all(self) -> list[ReleaseRecord]:
        """Every release, oldest first."""
        with self._database.reading() as connection:
            return self._all(connection)

    def _all(self, connection: Connection) -> list[ReleaseRecord]:
        top = next((name for _, name in self._stack(connection, 1)), None)
        rows = connection.execute(select(tables.releases).order_by(tables.releases.c.created))
        return [ReleaseRecord(row.name, row.path, row.checksum, row.created, row.name == top) for row in rows]

    @staticmethod
    def _named(records: list[ReleaseRecord], name: str) -> ReleaseRecord:
        known = {record.name: record for record in records}
        if name not in known:
            raise MissingError(f"there is no release '{name}'", advice=nearest(name, known))
        return known[name]

    @staticmethod
    def _stack(connection: Connection, depth: int) -> list[tuple[int, str]]:
        t = tables.promotions.c
        query = select(t.seq, t.release).where(t.undone.is_(None)).order_by(t.seq.desc()).limit(depth)
        return [(row.seq, row.release) for row in connection.execute(query)]
