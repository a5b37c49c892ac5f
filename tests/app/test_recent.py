"""Histories in memory agree with the store, whatever comes in whatever order."""

import random
from collections.abc import Sequence

from recloop.app.recent import Recent
from recloop.types import Event, Request


def view(user: str, number: int, time: float) -> Event:
    return Event(user, f"i{number}", "view", time, id=f"{user}-{number}")


def test_memory_agrees_with_the_log() -> None:
    rng = random.Random(1)
    log: list[Event] = []

    def mine(user: str, limit: int) -> list[Event]:
        return sorted((event for event in log if event.user == user), key=lambda event: event.time)[-limit:]

    def load(users: Sequence[str], limit: int) -> list[list[Event]]:
        return [mine(user, limit) for user in users]

    recent = Recent(load, limit=5, users=3)
    for number in range(2000):
        user = f"u{rng.randrange(6)}"
        if rng.random() < 0.6:
            event = view(user, number, rng.random() * 100)  # late and out of order
            log.append(event)
            recent.add([event])
            if rng.random() < 0.3:
                recent.add([event])  # sent twice
        users = [f"u{rng.randrange(6)}" for _ in range(rng.randrange(1, 7))]  # more at once than are kept, and twice
        asked = recent.histories([Request(user, time=1e9) for user in users])
        assert [list(events) for events in asked] == load(users, 5)
        assert len(recent) <= 3


def test_an_event_read_from_the_store_is_not_added_again() -> None:
    event = view("u", 1, 1.0)
    recent = Recent(lambda _users, _limit: [[event]], limit=5, users=3)
    assert recent.histories([Request("u", time=9.0)]) == [(event,)]
    recent.add([event])
    assert recent.histories([Request("u", time=9.0)]) == [(event,)]


def test_what_the_caller_sends_is_merged_by_time() -> None:
    recent = Recent(lambda users, _limit: [[view(u, 1, 1.0), view(u, 3, 3.0)] for u in users], limit=3, users=3)
    sent = (view("u", 2, 2.0), view("u", 3, 3.0), Event("u", "i4", "view"))
    asked = [Request("u", time=9.0, history=sent), Request("u", time=9.0), Request(time=9.0, history=sent)]
    assert [[event.item for event in events] for events in recent.histories(asked)] == [
        ["i2", "i3", "i4"],
        ["i1", "i3"],  # it is not remembered
        ["i2", "i3", "i4"],
    ]
