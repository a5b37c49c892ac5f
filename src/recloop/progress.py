"""How long work tells that it moves, without knowing who watches."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Shows how far work has come. The commands pass a bar; libraries and tests pass nothing."""

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Callable[[float], None]]:
        """A context in which the function given back is called with the amount of work just done."""
        ...

    def note(self, text: str) -> None:
        """One line worth reading, such as what is reused."""
        ...

    def validated(self, value: float) -> None:
        """What a model in training is worth after one more round; higher is better. A watcher may end it by raising."""
        ...


class Silent:
    """The progress that nobody watches.

    >>> with Silent().task("fit", total=3) as advance:
    ...     advance(1)
    """

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:  # noqa: ARG002
        """Work that nobody watches."""
        yield lambda _amount: None

    def note(self, text: str) -> None:
        """Nobody reads it."""

    def validated(self, value: float) -> None:
        """Nobody judges it."""


SILENT = Silent()
