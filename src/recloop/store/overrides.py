import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from recloop.errors import ConflictError, MissingError, nearest
from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database
from recloop.store.ids import new_id

Action = Literal["pin", "boost", "hide", "ban"]
State = Literal["in force", "expired", "ended"]


class Override(NamedTuple):
    """What somebody put over the policies.

    Attributes:
        id: that decisions name.
        action: ``pin``, ``boost``, ``hide`` or ``ban``.
        items: ids.
        place: of the first pinned item, from 1; 0 where nothing is pinned.
        strength: of a boost, in ranges of a slate's scores; 0 where nothing is boosted.
        surface: the only one that it is for; "" for all.
        segment: attribute (``profile.age``, ``context.device``) → the value that a request must have; empty for all.
        reason: why, in words.
        owner: who answers for it.
        created: from then on it holds, seconds since 1970.
        expires: until then; None for no end.
        ended: when somebody took it back; None where nobody did.
        ended_by: who.
    """

    id: str
    action: Action
    items: tuple[str, ...]
    place: int
    strength: float
    surface: str
    segment: Mapping[str, str]
    reason: str
    owner: str
    created: float
    expires: float | None
    ended: float | None = None
    ended_by: str = ""

    def state(self, now: float) -> State:
        """Whether it holds at a moment."""
        if self.ended is not None and self.ended <= now:
            return "ended"
        return "expired" if self.expires is not None and self.expires <= now else "in force"

    def until(self, now: float) -> float:
        """The moment up to which it held: its end, or now."""
        return min(now, *(end for end in (self.expires, self.ended) if end is not None), now)

    def meets(self, surface: str, attributes: Mapping[str, str]) -> bool:
        """Whether it is for a request on this surface, by somebody of whom this is known.

        >>> wish = Override("o1", "hide", ("i1",), 0, 0.0, "home", {"context.device": "tv"}, "recall", "eva", 0.0, None)
        >>> wish.meets("home", {"context.device": "tv"}), wish.meets("basket", {}), wish.meets("home", {})
        (True, False, False)
        """
        if self.surface and surface != self.surface:
            return False
        return all(attributes.get(name) == value for name, value in self.segment.items())


class Overrides:
    """The overrides: added and ended, never changed, so that what held at any moment can be told."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def add(
        self,
        action: Action,
        items: Sequence[str],
        *,
        reason: str,
        owner: str,
        place: int = 0,
        strength: float = 0.0,
        surface: str = "",
        segment: Mapping[str, str] | None = None,
        expires: float | None = None,
        actor: str = "",
    ) -> Override:
        """Keep a new override; it holds from now on. What it may be is checked by ``recloop.app.overrides``."""

        def work(connection: Connection) -> Override:
            made = Override(
                new_id(), action, tuple(items), place, strength, surface, dict(segment or {}), reason, owner,
                self._database.clock(), expires,
            )  # fmt: skip
            values = made._asdict() | {"items": json.dumps(made.items), "segment": json.dumps(made.segment)}
            connection.execute(insert(tables.overrides).values(values))
            where = ", ".join([surface or "everywhere", *(f"{name}={value}" for name, value in made.segment.items())])
            self._audit.record(
                connection, actor or owner, f"add override: {action}", made.id,
                f"{', '.join(made.items[:10])} ({where}): {reason}",
            )  # fmt: skip
            return made

        return self._database.write(work)

    def end(self, name: str, *, actor: str) -> Override:
        """Take an override back: it holds no more. The slates that it changed stay as they were.

        Raises:
            MissingError: there is none of that id.
            ConflictError: it does not hold any more.
        """

        def work(connection: Connection) -> Override:
            found, now = self._get(connection, name), self._database.clock()
            if (state := found.state(now)) != "in force":
                raise ConflictError(f"the override '{name}' is {state}", advice="add a new one")
            change = update(tables.overrides).where(tables.overrides.c.id == name)
            connection.execute(change.values(ended=now, ended_by=actor))
            self._audit.record(connection, actor, "end override", name, ", ".join(found.items[:10]))
            return found._replace(ended=now, ended_by=actor)

        return self._database.write(work)

    def get(self, name: str) -> Override:
        """One override.

        Raises:
            MissingError: there is none of that id.
        """
        with self._database.reading() as connection:
            return self._get(connection, name)

    def all(self) -> list[Override]:
        """Every override, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(tables.overrides).order_by(tables.overrides.c.created))
            return [_override(row) for row in rows]

    def mark(self) -> tuple[int, int]:
        """How many there are and how many were ended: a process compares it to know that something changed."""
        t = tables.overrides.c
        with self._database.reading() as connection:
            made, ended = connection.execute(select(func.count(t.id), func.count(t.ended))).one()
        return int(made), int(ended)

    @staticmethod
    def _get(connection: Connection, name: str) -> Override:
        row = connection.execute(select(tables.overrides).where(tables.overrides.c.id == name)).first()
        if row is None:
            known = connection.execute(select(tables.overrides.c.id)).scalars()
            raise MissingError(f"there is no override '{name}'", advice=nearest(name, known))
        return _override(row)


def _override(row: Any) -> Override:
    values = {name: getattr(row, name) for name in Override._fields}
    return Override(**values | {"items": tuple(json.loads(row.items)), "segment": json.loads(row.segment)})
