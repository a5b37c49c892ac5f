import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, insert, select, update

from recloop.errors import ConflictError, MissingError, SettingError, nearest
from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database

ReviewState = Literal["open", "muted", "resolved"]
FINDER = "problem finder"


class Review(NamedTuple):
    """A finding that people look after.

    Attributes:
        id: the finding's own, the same in every run.
        state: ``open``, ``muted`` or ``resolved``.
        finding: as the problem finder told it last, JSON values.
        assignee: who looks after it; "" for nobody.
        note: what was said at the last change.
        muted_until: until then nobody is to be bothered.
        first_seen: when it came first, seconds since 1970.
        last_seen: when it was found last.
        changed: when a person or its return last changed its state.
        present: whether the last report had it.
        gone: whether a report since its last change did not have it.
        returns: how often it came back after it was resolved.
    """

    id: str
    state: ReviewState
    finding: Mapping[str, Any]
    assignee: str
    note: str
    muted_until: float | None
    first_seen: float
    last_seen: float
    changed: float
    present: bool
    gone: bool
    returns: int

    def shown(self, now: float) -> ReviewState:
        """Its state at a moment: what was muted for a while is open after it."""
        over = self.state == "muted" and self.muted_until is not None and self.muted_until <= now
        return "open" if over else self.state


class Taken(NamedTuple):
    """What a report brought: ids of findings that are new, that returned, and that are gone."""

    new: tuple[str, ...]
    returned: tuple[str, ...]
    gone: tuple[str, ...]


class Reviews:
    """The queue of findings. Reports bring them; people assign, mute and resolve them; what returns is open again."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def take(self, findings: Sequence[Mapping[str, Any]], *, actor: str = FINDER) -> Taken:
        """Take over the findings of a report.

        A resolved one is open again where it returned: an earlier report did not have it any more, or it changed on a
        day after that on which it was resolved. The same old days in the next report reopen nothing.

        Args:
            findings: JSON values with ``id``, and ``change_day`` where it has one.
            actor: who brings them.
        """

        def work(connection: Connection) -> Taken:
            now = self._database.clock()
            known = {one.id: one for one in self._all(connection)}
            new, returned = [], []
            for finding in findings:
                name = str(finding["id"])
                values: dict[str, Any] = {"finding": json.dumps(dict(finding)), "last_seen": now, "present": 1}
                if (old := known.get(name)) is None:
                    first = Review(name, "open", finding, "", "", None, now, now, now, True, False, 0)
                    connection.execute(insert(tables.reviews).values(first._asdict() | values))
                    self._audit.record(connection, actor, "open finding", name, str(finding.get("title", ""))[:200])
                    new.append(name)
                    continue
                if old.state == "resolved" and (old.gone or _after(finding.get("change_day"), old.changed)):
                    values |= {"state": "open", "changed": now, "gone": 0, "returns": old.returns + 1}
                    self._audit.record(connection, actor, "reopen finding", name, "it returned")
                    returned.append(name)
                connection.execute(update(tables.reviews).where(tables.reviews.c.id == name).values(values))
            here = {str(finding["id"]) for finding in findings}
            gone = tuple(name for name, old in known.items() if name not in here and old.present)
            if gone:
                change = update(tables.reviews).where(tables.reviews.c.id.in_(gone))
                connection.execute(change.values(present=0, gone=1))
            return Taken(tuple(new), tuple(returned), gone)

        return self._database.write(work)

    def assign(self, name: str, assignee: str, *, actor: str, note: str = "") -> Review:
        """Say who looks after it; "" for nobody."""
        return self._change(name, f"assign finding to {assignee or 'nobody'}", actor, note, assignee=assignee)

    def mute(self, name: str, until: float, *, actor: str, note: str = "") -> Review:
        """Leave it alone until a moment.

        Raises:
            SettingError: the moment is over.
        """
        if until <= self._database.clock():
            raise SettingError("the moment until which it is muted is over", allowed="it must lie ahead")
        return self._change(name, "mute finding", actor, note, state="muted", muted_until=until)

    def resolve(self, name: str, *, actor: str, note: str = "") -> Review:
        """It is mended. It is open again when it returns."""
        return self._change(name, "resolve finding", actor, note, state="resolved", muted_until=None)

    def reopen(self, name: str, *, actor: str, note: str = "") -> Review:
        """It is not mended, or not to be muted, after all."""
        return self._change(name, "reopen finding", actor, note, state="open", muted_until=None)

    def get(self, name: str) -> Review:
        """One finding.

        Raises:
            MissingError: there is none of that id.
        """
        with self._database.reading() as connection:
            return self._get(connection, name)

    def all(self) -> list[Review]:
        """Every finding, those that came last first."""
        with self._database.reading() as connection:
            return self._all(connection)

    def _change(self, name: str, action: str, actor: str, note: str, **values: Any) -> Review:
        def work(connection: Connection) -> Review:
            found, now = self._get(connection, name), self._database.clock()
            if "state" in values:
                if values["state"] == found.shown(now) != "muted":
                    raise ConflictError(f"the finding '{name}' is {found.shown(now)} already")
                values.update(changed=now, gone=int(not found.present))
            connection.execute(update(tables.reviews).where(tables.reviews.c.id == name).values(note=note, **values))
            self._audit.record(connection, actor, action, name, note)
            return self._get(connection, name)

        return self._database.write(work)

    @staticmethod
    def _all(connection: Connection) -> list[Review]:
        t = tables.reviews
        return [_review(row) for row in connection.execute(select(t).order_by(t.c.last_seen.desc(), t.c.first_seen))]

    @staticmethod
    def _get(connection: Connection, name: str) -> Review:
        row = connection.execute(select(tables.reviews).where(tables.reviews.c.id == name)).first()
        if row is None:
            known = connection.execute(select(tables.reviews.c.id)).scalars()
            raise MissingError(f"there is no finding '{name}'", advice=nearest(name, known))
        return _review(row)


def _after(day: object, moment: float) -> bool:
    """Whether a day (UTC, ``YYYY-MM-DD``) came after that of a moment."""
    return isinstance(day, str) and day > datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%d")


def _review(row: Any) -> Review:
    values = {name: getattr(row, name) for name in Review._fields} | {"finding": json.loads(row.finding)}
    return Review(**values | {"present": bool(row.present), "gone": bool(row.gone)})
