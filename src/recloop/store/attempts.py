"""Tries of a password, counted in the store: so that all workers of a service count together."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

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
    same moment gets past the limit. It is taken back where the password fits. Names and addresses are kept as digests,
    and deleted once they are old.

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
        t, identity = tables.attempts.c, new_id()
        asked = {_digest(who): limit for who, limit in limits.items()}

        def work(connection: Connection) -> Attempt:
            now = self._database.clock()
            connection.execute(delete(tables.attempts).where(t.expires <= now))
            wait = 0.0
            for who, limit in asked.items():
                # the oldest of the last ``limit`` tries: once it is old, there is room for one
                last = select(t.expires).where(t.who == who).order_by(t.expires.desc()).offset(limit - 1).limit(1)
                if (full := connection.execute(last).scalar_one_or_none()) is not None:
                    wait = max(wait, full - now)
            if not wait:
                rows = [{"id": identity, "who": who, "expires": now + WITHIN} for who in asked]
                connection.execute(insert(tables.attempts), rows)
            return Attempt(identity, wait)

        return self._database.write(work)

    def fits(self, attempt: Attempt, who: str) -> None:
        """The password was right: the try does not count, nor does any that this one made before."""
        t = tables.attempts.c
        mine = (t.id == attempt.id) | (t.who == _digest(who))
        self._database.write(lambda connection: connection.execute(delete(tables.attempts).where(mine)))


def _digest(who: str) -> str:
    return hashlib.sha256(who.encode()).hexdigest()[:20]
