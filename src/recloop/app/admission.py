"""What is let in: the rules that need more than the types."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from recloop.types import Event, Feedback, Request

AHEAD = 86_400.0  # seconds that a client's clock may run ahead of ours
MILLENNIUM = 1e9  # seconds: 2001, before which nobody logged milliseconds
SKEW = 60.0  # seconds ahead that nobody remarks
LATE = 3_600.0  # seconds after which an event comes late
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
        return f"Feedback of the kind '{said.kind}' needs a value."
    return ""


class Times(NamedTuple):
    """Events by what is unusual about their times; each also counts as accepted, duplicate or rejected.

    Attributes:
        late: came more than an hour after they happened.
        out_of_order: came after an event of the same user that happened later.
        ahead: happened after they came, by more than a minute: the client's clock runs ahead. Kept as sent.
        future: more than a day ahead. Not kept.
    """

    late: int = 0
    out_of_order: int = 0
    ahead: int = 0
    future: int = 0


def times(events: Sequence[Event], now: float) -> Times:
    """What is unusual about the times of a batch; the order is not looked at.

    >>> times([Event("u", "i", "view", time) for time in (99_000.0, 10.0, 100_090.0, 200_000.0)], now=100_000.0)
    Times(late=1, out_of_order=0, ahead=1, future=1)
    """
    lags = [now - event.time for event in events if event.time is not None]
    if not lags or (max(lags) <= LATE and min(lags) >= -SKEW):
        return Times()
    return Times(
        late=sum(lag > LATE for lag in lags),
        ahead=sum(-AHEAD <= lag < -SKEW for lag in lags),
        future=sum(lag < -AHEAD for lag in lags),
    )


def complete(event: Event, now: float, new_id: Callable[[], str]) -> Event:
    """The event with an id and a time of its own, where it came without."""
    if event.id is not None and event.time is not None:
        return event
    return replace(event, id=event.id or new_id(), time=now if event.time is None else event.time)
