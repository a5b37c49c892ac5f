"""When a request is sent again, and after how long. No sockets, no clocks: the clients bring both."""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

import httpx

from recloop.client.problems import ServiceError, error_of
from recloop.errors import SettingError

AGAIN = frozenset({429, 502, 503, 504})

Outcome = httpx.Response | httpx.TransportError
Tries = Generator[float, Outcome, httpx.Response]
"""Yields the seconds to wait before each try, takes what came of it, and returns the answer."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a request is sent again.

    The wait before it is sent again for the n-th time is drawn uniformly between 0 and ``first x 2^(n-1)``, at most
    ``longest``: many clients that were refused at one moment do not come back at one moment. Where the service says
    ``Retry-After``, the wait is at least that. Source: Brooker 2015, "Exponential backoff and jitter" ("full jitter").

    Attributes:
        times: a request is sent again so often at most; 0 sends it once.
        first: seconds, the longest wait before the first of them.
        longest: seconds of any wait. A service that asks for more is not waited for.

    Raises:
        SettingError: a number is negative.

    >>> [Retry(first=0.5, longest=1.5).ceiling(n) for n in (1, 2, 3)]
    [0.5, 1.0, 1.5]
    """

    times: int = 4
    first: float = 0.1
    longest: float = 20.0

    def __post_init__(self) -> None:
        for name in ("times", "first", "longest"):
            if not getattr(self, name) >= 0:
                raise SettingError(f"'{name}' of the retries is {getattr(self, name)}", allowed="it is 0 or more")

    def ceiling(self, number: int) -> float:
        """Seconds of the wait before it is sent again for the ``number``-th time, at most."""
        return float(min(self.first * 2.0 ** min(number - 1, 60), self.longest))


def tries(
    retry: Retry, what: str, *, uniform: Callable[[], float] = random.random, clock: Callable[[], float] = time
) -> Tries:
    """The tries of one request, up to the first answer that another try would not change.

    Args:
        retry: how often.
        what: the request in a few words, for the error.
        uniform: draws from [0, 1).
        clock: seconds since 1970, for a ``Retry-After`` that is a date.

    Raises:
        ServiceError: every try failed, or the service asks to wait for longer than ``retry`` allows.
    """
    wait, sent = 0.0, 0
    while True:
        outcome = yield wait
        sent += 1
        if isinstance(outcome, httpx.Response) and outcome.status_code not in AGAIN:
            return outcome
        asked = _asked(outcome, clock)
        if sent > retry.times or asked > retry.longest:
            raise ServiceError(
                f"{what} failed {sent} {'time' if sent == 1 else 'times'}, at last with {_words(outcome)}",
                advice="look whether the service runs, and at its log",
            )
        wait = max(asked, uniform() * retry.ceiling(sent))


def _asked(outcome: Outcome, clock: Callable[[], float]) -> float:
    """Seconds that the service asks to wait, 0 where it says nothing that can be read."""
    told = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    try:
        return max(0.0, float(told) if told.isdigit() else parsedate_to_datetime(told).timestamp() - clock())
    except ValueError:
        return 0.0


def _words(outcome: Outcome) -> str:
    if isinstance(outcome, httpx.TransportError):
        return type(outcome).__name__
    return f"status {outcome.status_code}: {error_of(outcome)}"
