from collections.abc import Sequence

from recloop.store import Store
from recloop.types import Event

MOST = 5000  # events read at a time: after more than that it is quicker to forget what is known


class News:
    """The events that came into the store since one last looked, whichever process took them.

    Args:
        store: where they are; what it holds already is no news.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = store.last_arrival()

    def read(self) -> Sequence[Event] | None:
        """The events since the last call, in order of arrival; None where they are too many to be told one by one."""
        arrived = self._store.arrivals(self._last, MOST)
        if not arrived:
            return ()
        if len(arrived) == MOST:
            self._last = self._store.last_arrival()
            return None
        self._last = arrived[-1][0]
        return [event for _, event in arrived]
