"""How often each key may ask: token buckets, in Redis where services share one, else in this process."""

import time
from collections.abc import Callable

from recloop.store.hot import Hot

BURST = 2.0  # seconds' worth of requests that may come at once after a pause


class Rates:
    """One token bucket per key: it fills at the key's rate and holds ``BURST`` seconds of it, and one at least.

    A bucket is one number, the time at which it would be full again (the generic cell rate algorithm of ITU-T I.371,
    which is the same law). With Redis all workers on all machines count together. Without it, or while it is lost, each
    process counts for itself: with several workers a key may send as many times more.

    Args:
        rate: requests a second of a key that has no rate of its own; None for no limit.
        timer: seconds.
        hot: what services share; None where this one counts alone.

    >>> now = [0.0]
    >>> rates = Rates(2.0, lambda: now[0])
    >>> [rates.wait("a") for _ in range(5)], rates.wait("b")
    ([0.0, 0.0, 0.0, 0.0, 0.5], 0.0)
    >>> now[0] = 0.5
    >>> rates.wait("a"), rates.wait("a")
    (0.0, 0.5)
    """

    def __init__(self, rate: float | None, timer: Callable[[], float] = time.monotonic, hot: Hot | None = None) -> None:
        self._rate = rate
        self._timer = timer
        self._hot = hot
        self._full: dict[str, float] = {}

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
        if self._hot is not None and (shared := self._hot.wait(key, allowed, BURST)) is not None:
            return shared
        now, one = self._timer(), 1.0 / allowed
        full = max(now, self._full.get(key, now)) + one
        late = full - now - max(BURST, one)
        if late > one * 1e-9:
            return late
        self._full[key] = full
        return 0.0
