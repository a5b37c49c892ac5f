import json
from typing import Any

from sqlalchemy import Connection, insert, select, update

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
        now = self._database.clock()
        self._database.write(lambda connection: write_state(connection, release, policy, state, now))


def write_state(connection: Connection, release: str, policy: str, state: Any, now: float, **places: int) -> None:
    """Keep a state in place of the one before, in the transaction that is under way.

    Args:
        connection: of the transaction.
        release: of the policy.
        policy: its name.
        state: a JSON value.
        now: seconds since 1970.
        places: ``folded``, the last outcome that is in it; ``settled``, the decision up to which all have outcomes;
            what is not given stays.
    """
    t = tables.policy_states
    values = {"state": json.dumps(state, allow_nan=False), "updated": now, **places}
    changed = update(t).where(t.c.release == release, t.c.policy == policy).values(values)
    if connection.execute(changed).rowcount == 0:
        first = {"release": release, "policy": policy, "folded": 0, "settled": 0}
        connection.execute(insert(t).values(first | values))
