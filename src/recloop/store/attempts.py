"""Tries of a password, counted in the store: so that all workers of a service count together."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from recloop.store import tables
from recloop.store.database import Database
from recloop.store.ids import new_id

WITHIN = 300.0  # seconds in which tries count


class Attempt(NamedTuple):
    """A try that may go on where ``wait`` is 0, else the seconds until the next may."""

    id: str
    wait: float


class Attempts:
    """Tries of a password by name, and by address; too many of one, and the next must wait until the oldest is old.

    A try counts from its beginning, in the transaction that looks how many there were, so that no number of them at the
    same moment gets past the limit. It is taken back where the password fits. Tries are rows beside the sessions that
    they may become, with a digest of the name or address, and are deleted once they are old.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, limits: Mapping[str, int]) -> Attempt:
        """Count a try, where none of these have had as many as their limits.

        Args:
            limits: such as ``{"name eva": 5, "address 10.0.0.7": 50}``.
        """
        t, identity = tables.sessions.c, new_id()

        def work(connection: Connection) -> Attempt:
            now = self._database.clock()
            connection.execute(delete(tables.sessions).where(t.expires <= now))
            wait = 0.0
            for who, limit in limits.items():
                mine = select(t.expires).where(t.user == _digest(who), t.id.like("try %"))
                if connection.execute(select(func.count()).select_from(mine.subquery())).scalar_one() >= limit:
                    nth = connection.execute(mine.order_by(t.expires.desc()).offset(limit - 1).limit(1)).scalar_one()
                    wait = max(wait, nth - now)
            if not wait:
                for place, who in enumerate(limits):
                    row = {"id": f"try {identity} {place}", "user": _digest(who), "created": now}
                    connection.execute(insert(tables.sessions).values(row | {"expires": now + WITHIN}))
            return Attempt(identity, wait)

        return self._database.write(work)

    def fits(self, attempt: Attempt, who: str) -> None:
        """The password was right: the try does not count, nor does any that this one made before."""
        t = tables.sessions.c
        mine = t.id.like(f"try {attempt.id} %") | ((t.user == _digest(who)) & t.id.like("try %"))
        self._database.write(lambda connection: connection.execute(delete(tables.sessions).where(mine)))


def _digest(who: str) -> str:
    return "try " + hashlib.sha256(who.encode()).hexdigest()[:20]
