"""Time that a source may take while somebody waits for the slate."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_waiting: ContextVar[bool] = ContextVar("recloop.waiting", default=False)


class LateError(Exception):
    """A source did not answer in time."""


@contextmanager
def awaited() -> Iterator[None]:
    """Budgets hold inside: a service answers here. Outside, as in an evaluation, the clock changes no slate."""
    token = _waiting.set(True)
    try:
        yield
    finally:
        _waiting.reset(token)


class Budget:
    """Waits for one source for so long and no longer.

    A source that is late is left to itself. Until it has ended it is not asked again, so that late work never piles up:
    whoever asks meanwhile is told at once.

    Args:
        seconds: that it may take; None for any time, which costs no thread.

    >>> Budget(1.0).run(lambda: 7)
    7
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._late: threading.Thread | None = None

    def run(self, work: Callable[[], T]) -> T:
        """What the work gives, or raises.

        Raises:
            LateError: it takes too long, or earlier work that was late goes on still.
        """
        if self.seconds is None or not _waiting.get():
            return work()
        if self._late is not None and self._late.is_alive():
            raise LateError(f"it has not ended what took longer than {self.seconds:g} seconds")
        given: list[T] = []
        wrong: list[BaseException] = []

        def do() -> None:
            try:
                given.append(work())
            except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
                wrong.append(error)

        thread = threading.Thread(target=do, name="recloop-source", daemon=True)
        thread.start()
        thread.join(self.seconds)
        if thread.is_alive():
            self._late = thread
            raise LateError(f"it did not answer within {self.seconds:g} seconds")
        if wrong:
            raise wrong[0]
        return given[0]
