"""What pages read that takes long, kept for a moment."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

FRESH = 30.0  # seconds


class Memory:
    """Answers to slow questions, believed for ``FRESH`` seconds; one question at a time, so that nobody asks twice.

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
            if known is not None and self._timer() - known[0] < FRESH:
                found: T = known[1]
                return found
            if len(self._known) > 100:
                self._known.clear()
            said = answer()
            self._known[question] = self._timer(), said
            return said

    def forget(self) -> None:
        """Ask anew: something was changed."""
        self._known.clear()
