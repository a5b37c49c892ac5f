"""How often each key may ask: a token bucket for each."""

import time
from collections.abc import Callable
from dataclasses import dataclass

BURST = 2.0  # seconds' worth of requests that may come at once after a pause


@dataclass(slots=True)
class Bucket:
    """A token bucket as one number: the time at which it would be full again.

    The generic cell rate algorithm of ITU-T I.371, which is the same law. It holds ``BURST`` seconds' worth of
    requests, and one at least.

    Attributes:
        one: seconds in which one request becomes free again.
        full: when it would be full again, seconds; any time that has passed where it is.
    """

    one: float
    full: float

    @property
    def burst(self) -> float:
        """How far ahead ``full`` may be, seconds."""
        return max(BURST, self.one)

    def wait(self, now: float) -> float:
        """0 where a request may pass, and it is counted; else the seconds until one may, and it is not."""
        full = max(now, self.full) + self.one
        late = full - now - self.burst
        if late > self.one * 1e-9:
            return late
        self.full = full
        return 0.0


class Rates:
    """One bucket per key, which fills at the key's rate.

    Each process counts for itself: with several workers a key may send as many times more. ``SharedRates`` counts for
    all together.

    Args:
        rate: requests a second of a key that has no rate of its own; None for no limit.
        timer: seconds.

    >>> now = [0.0]
    >>> rates = Rates(2.0, lambda: now[0])
    >>> [rates.wait("a") for _ in range(5)], rates.wait("b")
    ([0.0, 0.0, 0.0, 0.0, 0.5], 0.0)
    >>> now[0] = 0.5
    >>> rates.wait("a"), rates.wait("a")
    (0.0, 0.5)
    """

    def __init__(self, rate: float | None, timer: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._timer = timer
        self._buckets: dict[str, Bucket] = {}

    def allowed(self, rate: float | None) -> float:
        """The rate that holds for a key with this rate of its own; infinite where nothing limits it."""
        found = self._rate if rate is None else rate
        return float("inf") if found is None else found

    def wait(self, key: str, rate: float | None = None) -> float:
        """0 where the request may pass, and it is counted; else the seconds until one may, and it is not.

        Args:
            key: who asks.
            rate: the key's own rate; None for the common one.
        """
        allowed = self.allowed(rate)
        if allowed == float("inf"):
            return 0.0
        now = self._timer()
        bucket = self._buckets.setdefault(key, Bucket(1.0 / allowed, now))
        bucket.one = 1.0 / allowed  # a key may be given another
        return bucket.wait(now)
