"""How often somebody may try a password, in this process."""

import time
from collections.abc import Callable

WITHIN = 300.0  # seconds in which wrong passwords count
PLACES = 10_000  # names and addresses that are remembered


class Attempts:
    """Wrong passwords by name, or by address; too many of one, and the next must wait until the oldest is forgotten.

    Args:
        tries: how many are too many.
        timer: seconds.

    >>> now = [0.0]
    >>> attempts = Attempts(5, lambda: now[0])
    >>> for _ in range(5):
    ...     attempts.failed("eva")
    >>> attempts.wait("eva"), attempts.wait("tom")
    (300.0, 0.0)
    >>> now[0] = 301.0
    >>> attempts.wait("eva")
    0.0
    """

    def __init__(self, tries: int, timer: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._timer = timer
        self._times: dict[str, list[float]] = {}

    def wait(self, who: str) -> float:
        """Seconds until somebody may try again; 0 for now."""
        now = self._timer()
        recent = [at for at in self._times.get(who, ()) if now - at < WITHIN]
        return recent[-self._tries] + WITHIN - now if len(recent) >= self._tries else 0.0

    def failed(self, who: str) -> None:
        """A password was wrong."""
        now = self._timer()
        if len(self._times) >= PLACES:  # a flood of names takes no memory
            self._times = {one: at for one, at in self._times.items() if now - at[-1] < WITHIN}
            if len(self._times) >= PLACES:
                self._times.clear()
        self._times[who] = [*(at for at in self._times.get(who, ()) if now - at < WITHIN), now][-self._tries :]

    def fits(self, who: str) -> None:
        """A password was right: what came before is forgotten."""
        self._times.pop(who, None)
