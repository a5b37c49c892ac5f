"""What is let in: the rules that need more than the types."""

from collections.abc import Callable
from dataclasses import replace

from recloop.types import Event, Feedback, Request

AHEAD = 86_400.0  # seconds that a client's clock may run ahead of ours
MILLENNIUM = 1e9  # seconds: 2001, before which nobody logged milliseconds
LARGEST = 3.4e38  # what a value may be at most, as in files: its square still is a number


def fault(said: Event | Feedback | Request, now: float) -> str:
    """Why this cannot be kept, as a sentence; empty where it can.

    >>> fault(Event("u", "i", "click", time=1_700_000_000_000.0), now=1_700_000_000.0)
    'The time 1700000000000.0 is more than a day ahead; it looks like milliseconds: divide it by 1000.'
    """
    time = said.time
    if time is not None and time > now + AHEAD:
        likely = MILLENNIUM < time / 1000 <= now + AHEAD
        hint = "it looks like milliseconds: divide it by 1000" if likely else "set the clock, or send no time"
        return f"The time {time} is more than a day ahead; {hint}."
    if time is not None and time < 0:
        return f"The time {time} is before 1970; send seconds since then, or no time."
    if isinstance(said, Request):
        return ""
    if said.value is not None and abs(said.value) > LARGEST:
        return f"The value {said.value} is too large: it may be {LARGEST:g} at most."
    if isinstance(said, Feedback) and said.kind == "comment" and not said.text.strip():
        return "A comment needs a text."
    if isinstance(said, Feedback) and said.kind != "comment" and said.value is None:
        return f"A {said.kind} needs a value."
    return ""


def complete(event: Event, now: float, new_id: Callable[[], str]) -> Event:
    """The event with an id and a time of its own, where it came without."""
    if event.id is not None and event.time is not None:
        return event
    return replace(event, id=event.id or new_id(), time=now if event.time is None else event.time)
