"""What pages read that takes long, kept for a moment."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

FRESH = 30.0  # seconds for which an answer is believed, at least
SHARE = 20.0  # times as long as it took to find, at least: pages take one part in 20 of a processor at most


class Memory:
    """Answers to slow questions, believed for a while; one question at a time, so that nobody asks twice.

    Args:
        timer: seconds.

    >>> memory, asked = Memory(), []
    >>> [memory.ask("x", lambda: asked.append(1) or len(asked)) for _ in range(3)], len(asked)
    ([1, 1, 1], 1)
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._lock = threading.RLock()
        self._known: dict[Hashable, tuple[float, Any]] = {}

    def ask(self, question: Hashable, answer: Callable[[], T]) -> T:
        """What is remembered, or what ``answer`` says now."""
        with self._lock:
            known = self._known.get(question)
            if known is not None and self._timer() < known[0]:
                found: T = known[1]
                return found
            if len(self._known) > 100:
                self._known.clear()
            start = self._timer()
            said = answer()
            now = self._timer()
            self._known[question] = now + max(FRESH, SHARE * (now - start)), said
            return said

    def forget(self) -> None:
        """Ask anew: something was changed."""
        self._known.clear()
