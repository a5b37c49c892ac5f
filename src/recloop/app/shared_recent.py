from collections.abc import Sequence

from recloop.app.recent import Load, Recent, users_of
from recloop.store.hot import Hot
from recloop.types import Event, Request


class SharedRecent(Recent):
    """Histories in memory that are never behind the store, though other services take events too.

    A history is believed while the user's mark is the one that it had when it was read; where there is no mark, it is
    read from the store.

    Args:
        load: ``(users, limit)`` → the events of each, oldest first: where histories are read from.
        limit: events kept per user.
        users: users kept.
        hot: where the marks are.
    """

    def __init__(self, load: Load, limit: int, users: int, hot: Hot) -> None:
        super().__init__(load, limit=limit, users=users)
        self._hot = hot
        self._marks: dict[str, bytes] = {}

    def histories(self, requests: Sequence[Request]) -> list[tuple[Event, ...]]:
        """As ``Recent.histories``; marks are read before the store, so what changes meanwhile is seen next time."""
        if users := users_of(requests):
            marks: Sequence[bytes | None] = self._hot.read(users) or [None] * len(users)
            with self._lock:
                for user, mark in zip(users, marks, strict=True):
                    if mark is None or self._marks.get(user) != mark:
                        self._known.pop(user, None)
                        self._marks.pop(user, None)
                    if mark is not None:
                        self._marks[user] = mark
                if len(self._marks) > 2 * self._users:  # those that are remembered and those that were
                    self._marks = {known: self._marks[known] for known in self._known if known in self._marks}
        return super().histories(requests)

    def forget(self, user: str | None = None) -> None:
        """As ``Recent.forget``; all that share the marks read this user anew, and no mark names the user."""
        super().forget(user)
        with self._lock:
            if user is None:
                self._marks.clear()
            else:
                self._marks.pop(user, None)
        if user is not None:
            self._hot.forget(user)

    def add(self, events: Sequence[Event]) -> int:
        """As ``Recent.add``; every service that shares the marks reads these users anew."""
        out_of_order = super().add(events)
        self._hot.change({event.user for event in events})
        return out_of_order
