import json
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from recloop.store import tables
from recloop.store.database import Database


class PolicyStates:
    """What each policy of a release has learned, as a JSON value: derived from the log, kept to start warm."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, release: str, policy: str) -> Any:
        """The state, None where there is none."""
        t = tables.policy_states.c
        with self._database.reading() as connection:
            query = select(t.state).where(t.release == release, t.policy == policy)
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else json.loads(found)

    def put(self, release: str, policy: str, state: Any) -> None:
        """Keep the state in place of the one before."""
        change = {"state": json.dumps(state, allow_nan=False), "updated": self._database.clock()}
        key = {"release": release, "policy": policy}

        def work(connection: Connection) -> None:
            t = tables.policy_states
            connection.execute(delete(t).where(t.c.release == release, t.c.policy == policy))
            connection.execute(insert(t).values(key | change))

        self._database.write(work)
