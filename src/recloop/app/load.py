import numpy as np

from recloop.app.pseudonyms import Pseudonyms, agree
from recloop.data.source import Reading
from recloop.progress import SILENT, Progress
from recloop.store import Appended, Store
from recloop.types import Event

CHUNK = 10_000  # events in one commit


def load_events(
    store: Store, reading: Reading, *, names: Pseudonyms | None = None, progress: Progress = SILENT
) -> Appended:
    """Put the events of a log into the store, so that the service knows the users that the models learned from.

    Each event gets an id of its place in this log, so that loading the same log again adds nothing.

    Args:
        store: where histories come from.
        reading: the log, as ``read`` gives it.
        names: what replaces the ids of users; None keeps them.
        progress: told of events.

    Raises:
        ConflictError: the store's users are named otherwise.
        StoreError: the store cannot be written; what was committed stays, and loading again goes on from there.
    """
    data = reading.dataset
    log = data.fingerprint[:12]
    agree(store, names, actor="recloop load")
    users, items = data.user_ids.array, data.item_ids.array
    if names is not None:
        users = np.array([names.of(user) for user in users], dtype=object)
    accepted = duplicates = 0
    with progress.task("Load the log into the store", total=data.n_events) as advance:
        for start in range(0, data.n_events, CHUNK):
            part = data.events.slice(start, CHUNK)
            rows = zip(
                users[part["user"].to_numpy()],
                items[part["item"].to_numpy()],
                part["kind"].to_list(),
                part["time"].to_list(),
                part["value"].to_list(),
                (f"log:{log}:{place}" for place in range(start, start + part.height)),
                strict=True,
            )
            kept = store.append_events([Event(*row) for row in rows])
            accepted, duplicates = accepted + kept.accepted, duplicates + kept.duplicates
            advance(part.height)
    return Appended(accepted, duplicates)
