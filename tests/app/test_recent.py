"""Histories in memory agree with the store, whatever comes in whatever order."""

import random

from recloop.app.recent import Recent
from recloop.types import Event


def view(user: str, number: int, time: float) -> Event:
    return Event(user, f"i{number}", "view", time, id=f"{user}-{number}")


def test_memory_agrees_with_the_log() -> None:
    rng = random.Random(1)
    log: list[Event] = []

    def load(user: str, limit: int) -> list[Event]:
        mine = sorted((event for event in log if event.user == user), key=lambda event: event.time)
        return mine[-limit:]

    recent = Recent(load, limit=5, users=3)
    for number in range(2000):
        user = f"u{rng.randrange(6)}"
        if rng.random() < 0.6:
            event = view(user, number, rng.random() * 100)  # late and out of order
            log.append(event)
            recent.add([event])
            if rng.random() < 0.3:
                recent.add([event])  # sent twice
        assert list(recent.history(user, (), now=1e9)) == load(user, 5)
        assert len(recent) <= 3


def test_an_event_read_from_the_store_is_not_added_again() -> None:
    event = view("u", 1, 1.0)
    recent = Recent(lambda _user, _limit: [event], limit=5, users=3)
    assert recent.history("u", (), now=9.0) == (event,)
    recent.add([event])
    assert recent.history("u", (), now=9.0) == (event,)


def test_what_the_caller_sends_is_merged_by_time() -> None:
    recent = Recent(lambda user, _limit: [view(user, 1, 1.0), view(user, 3, 3.0)], limit=3, users=3)
    sent = (view("u", 2, 2.0), view("u", 3, 3.0), Event("u", "i4", "view"))
    assert [event.item for event in recent.history("u", sent, now=9.0)] == ["i2", "i3", "i4"]
    assert [event.item for event in recent.history("u", (), now=9.0)] == ["i1", "i3"]  # it is not remembered
    assert [event.item for event in recent.history("", sent, now=9.0)] == ["i2", "i3", "i4"]
