import threading
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Sequence

from recloop.types import Event, Request

Load = Callable[[Sequence[str], int], list[list[Event]]]
News = Callable[[], Sequence[Event] | None]


def _none() -> Sequence[Event]:
    return ()


def users_of(requests: Sequence[Request]) -> list[str]:
    """Who asks, each once; nobody is anonymous."""
    return list({request.user: None for request in requests if request.user})


def _time(event: Event) -> float:
    return event.time if event.time is not None else float("inf")


class Recent:
    """The last events of the users that were here last, kept in memory and moved on by what they do.

    Args:
        load: ``(users, limit)`` → the events of each, oldest first: where users that are not in memory are read from.
        limit: events kept per user.
        users: users kept; the one that was not here for the longest time goes first.
        news: the events that were stored since it was last called, whoever stored them; None where they are too many.
            Asked before answers, so that what another process took changes them.

    >>> recent = Recent(lambda users, limit: [[Event(u, "a", "view", 1.0, id="e1")] for u in users], limit=2, users=10)
    >>> [[event.item for event in events] for events in recent.histories([Request("u", time=9.0)])]
    [['a']]
    >>> recent.add([Event("u", "b", "view", 2.0, id="e2"), Event("u", "b", "view", 2.0, id="e2")])
    0
    >>> request = Request("u", time=9.0, history=(Event("u", "c", "view"),))
    >>> [[event.item for event in events] for events in recent.histories([request])]
    [['b', 'c']]
    """

    def __init__(self, load: Load, limit: int, users: int, news: News = _none) -> None:
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

    def histories(self, requests: Sequence[Request]) -> list[tuple[Event, ...]]:
        """The last events of each request's user, oldest first, with those that it sent and the store does not know.

        An anonymous user (None or "") has those alone.

        Args:
            requests: each with its time.
        """
        users = users_of(requests)
        with self._lock:
            self._catch_up()
            missing = [user for user in users if user not in self._known]
            if missing:
                # read inside the lock: an event that is committed meanwhile waits in ``add``, and is not lost
                self._known.update(zip(missing, self._load(missing, self._limit), strict=True))
            for user in users:
                self._known.move_to_end(user)
            known = {user: tuple(self._known[user]) for user in users}
            while len(self._known) > self._users:
                self._known.popitem(last=False)
        return [self._merged(known.get(request.user or "", ()), request) for request in requests]

    def _merged(self, known: tuple[Event, ...], request: Request) -> tuple[Event, ...]:
        sent, now = request.history, request.time or 0.0
        if not sent:
            return known
        if not request.user:
            return sent[-self._limit :]
        ids = {event.id for event in known}
        fresh = [event for event in sent if event.id is None or event.id not in ids]
        merged = sorted((*known, *fresh), key=lambda event: now if event.time is None else event.time)
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
