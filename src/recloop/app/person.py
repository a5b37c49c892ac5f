"""What is kept of one person: all of it in one document, or none of it any more."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recloop.errors import SettingError, StoreError
from recloop.loop.folder import write_whole
from recloop.store import Store


@dataclass(frozen=True, slots=True)
class Person:
    """All that the log holds of one user, oldest first, as JSON values."""

    user: str
    events: tuple[dict[str, Any], ...]
    decisions: tuple[dict[str, Any], ...]
    feedback: tuple[dict[str, Any], ...]

    def write(self, path: Path) -> None:
        """One JSON document, in a file that its owner alone may read.

        Raises:
            ConflictError, StoreError: the file cannot be written.
        """
        before = os.umask(0o077)
        try:
            write_whole(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")
        finally:
            os.umask(before)


@dataclass(frozen=True, slots=True)
class Erased:
    """The proof of an erasure: rows by log in the store, found by a second look, and in the archive."""

    before: dict[str, int]
    after: dict[str, int]
    archived: dict[str, int]


def export_person(store: Store, user: str) -> Person:
    """All that is kept of a user; empty lists where nothing is.

    Args:
        store: the log, with its archive where it has one.
        user: the id under which the user is kept: the pseudonym where ids are replaced.

    Raises:
        SettingError: the id is empty.
    """
    _someone(user)
    logs = (store.events(user=user), store.decisions(user=user), store.feedback(user=user))
    events, decisions, feedback = (tuple(log.rows(named=True)) for log in logs)
    return Person(user, events, decisions, feedback)


def erase_person(store: Store, user: str, *, actor: str = "") -> Erased:
    """Delete all that is kept of a user, look again, and prove that nothing is found.

    The archive comes first, then the store. A service that is running forgets the user's history in memory, and takes
    the user's mark out of Redis.

    Experiments go on as if the user had never come: a readout is computed from the log each time it is read, so its
    counts, sums and checks lose exactly this user's part. Decisions that were made on it stay as they were made. What
    bandits have learned is sums over users, which hold no id.

    Args:
        store: the log.
        user: the id under which the user is kept: the pseudonym where ids are replaced.
        actor: who asks.

    Raises:
        SettingError: the id is empty.
        StoreError: something of the user came in meanwhile; erase again.
    """
    _someone(user)
    archived = store.archive.erase(user, actor=actor)
    before = store.erasure.erase(user, actor=actor)
    again = export_person(store, user)
    after = {name: len(getattr(again, name)) for name in before}
    if any(after.values()):
        found = ", ".join(f"{rows} {name}" for name, rows in after.items())
        raise StoreError(f"the person is still there: {found}", advice="stop what sends its events, and erase again")
    return Erased(before, after, archived)


def _someone(user: str) -> None:
    if not user:
        raise SettingError("the user is empty", allowed="nobody cannot be exported or erased")
