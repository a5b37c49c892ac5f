import threading
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Sequence

from recloop.types import Event

News = Callable[[], Sequence[Event] | None]


def _none() -> Sequence[Event]:
    return ()


def _time(event: Event) -> float:
    return event.time if event.time is not None else float("inf")


class Recent:
    """The last events of the users that were here last, kept in memory and moved on by what they do.

    Args:
        load: ``(user, limit) -> events``, oldest first: where a user that is not in memory is read from.
        limit: events kept per user.
        users: users kept; the one that was not here for the longest time goes first.
        news: the events that were stored since it was last called, whoever stored them; None where they are too many.
            Asked before each answer, so that what another process took changes it.

    >>> recent = Recent(lambda user, limit: [Event(user, "a", "view", 1.0, id="e1")], limit=2, users=10)
    >>> [event.item for event in recent.history("u", (), now=9.0)]
    ['a']
    >>> recent.add([Event("u", "b", "view", 2.0, id="e2"), Event("u", "b", "view", 2.0, id="e2")])
    0
    >>> [event.item for event in recent.history("u", (Event("u", "c", "view"),), now=9.0)]
    ['b', 'c']
    """

    def __init__(self, load: Callable[[str, int], list[Event]], limit: int, users: int, news: News = _none) -> None:
        self._load = load
        self._limit = limit
        self._users = users
        self._news = news
        self._known: OrderedDict[str, list[Event]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def forget(self, user: str | None = None) -> None:
        """Let go of one user, or of all: they are read again when they come."""
        with self._lock:
            if user is None:
                self._known.clear()
            else:
                self._known.pop(user, None)

    def history(self, user: str, sent: Sequence[Event], now: float) -> tuple[Event, ...]:
        """The user's last events, oldest first, with those that the caller sent and the store does not know.

        An anonymous user ("") has those alone.
        """
        if not user:
            return tuple(sent[-self._limit :])
        with self._lock:
            self._catch_up()
            known = self._known.get(user)
            if known is None:
                # read inside the lock: an event that is committed meanwhile waits in ``add``, and is not lost
                known = self._known[user] = self._load(user, self._limit)
                if len(self._known) > self._users:
                    self._known.popitem(last=False)
            else:
                self._known.move_to_end(user)
            history = tuple(known)
        if not sent:
            return history
        ids = {event.id for event in history}
        fresh = [event for event in sent if event.id is None or event.id not in ids]
        merged = sorted((*history, *fresh), key=lambda event: now if event.time is None else event.time)
        return tuple(merged[-self._limit :])

    def add(self, events: Sequence[Event]) -> int:
        """Events that the store has accepted; those of users not in memory are read when the user comes.

        Returns how many came after an event of their user that happened later, as far as is seen here: of users in
        memory, and within these events.
        """
        with self._lock:
            return self._add(events)

    def _catch_up(self) -> None:
        news = self._news()
        if news is None:
            self._known.clear()
        else:
            self._add(news)

    def _add(self, events: Sequence[Event]) -> int:
        out_of_order = 0
        newest: dict[str, float] = {}
        for event in events:
            known = self._known.get(event.user)
            if known is not None and any(event.id == old.id for old in known):
                continue
            last = newest.get(event.user, _time(known[-1]) if known else float("-inf"))
            out_of_order += _time(event) < last
            newest[event.user] = max(last, _time(event))
            if known is not None:
                insort(known, event, key=_time)
                del known[: -self._limit]
        return out_of_order
