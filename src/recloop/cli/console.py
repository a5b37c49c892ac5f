"""How commands speak: bars and tables for people, one JSON document for programs."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from recloop.errors import MissingError
from recloop.progress import SILENT, Progress

if TYPE_CHECKING:
    from recloop.store import Store

WHOLE = 10_000  # columns: what is piped keeps its lines, so that a path can be copied and a sentence searched for
EVERY, RARER = 10.0, 0.05  # seconds between two lines of progress, at least; share of the time that work took so far


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(stderr=stderr, highlight=False, width=WHOLE if piped else None)


def framed(text: str, title: str, colour: str) -> None:
    """Print a text in a frame; where the output is piped, as one line that begins with the title."""
    if out.width == WHOLE:
        out.print(f"{title}: {text}")
    else:
        out.print(Panel(text, title=title, border_style=colour, title_align="left"))


out = _console(stderr=False)
err = _console(stderr=True)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
store_option = click.option(
    "--store",
    default="recloop.db",
    show_default=True,
    help="The store: a file, sqlite:///file or postgresql://user@host/database.",
)

plan_argument = click.argument("plan", type=click.Path(path_type=Path), default="recloop.toml")


def existing_store(url: str) -> "Store":
    """The store, which must be there: reading a misspelt one must not make an empty one.

    Raises:
        MissingError: there is none.
    """
    from recloop.store import Store
    from recloop.store.backend import backend

    with closing(backend(url)) as found:
        if not found.present:
            raise MissingError(
                f"there is no store at {found.name}",
                advice="name one with --store; recloop load and recloop serve make one",
            )
    return Store(url)


class BarProgress:
    """Progress as bars on the terminal's error stream, so that output can be piped."""

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=err,
        )

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
        """One bar while the context lasts."""
        # asked of the display, not counted: Ctrl-C between a count and its `try` would leave the bars drawing forever
        outermost = not self._bars.live.is_started
        try:
            if outermost:
                self._bars.start()
            name = self._bars.add_task(description, total=total)
            yield lambda amount: self._bars.advance(name, amount)
            self._bars.update(name, total=total or 1, completed=total or 1)
        finally:
            if outermost:
                self._bars.stop()
                # the finished bars stay on the screen; the next group starts below them
                for task in self._bars.task_ids:
                    self._bars.remove_task(task)

    def note(self, text: str) -> None:
        """One line above the bars."""
        self._bars.console.print(f"  [dim]·[/] {escape(text)}", markup=True)

    def validated(self, value: float) -> None:
        """Nothing: the bar shows how far it is, not how well it does."""


class LineProgress:
    """Progress as lines, for an error stream that is no terminal: one where work begins and ends, some in between.

    Args:
        every: seconds between two lines, at least; the longer the work took, the rarer they come.
        clock: seconds.
    """

    def __init__(self, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._clock, self._began = every, clock, 0.0
        self._open: list[_Work] = []
        self._lock = Lock()

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
        """Lines while the context lasts, where no other task is around it; else a part of the lines of that one."""
        work = _Work(description, total)
        with self._lock:
            outermost = not self._open
            self._open.append(work)
        if not outermost:
            try:
                yield work.advance
            finally:
                with self._lock:
                    self._open.remove(work)
            return
        self._began, over = self._clock(), Event()
        teller = Thread(target=self._tell, args=(over,), name="progress", daemon=True)
        try:
            self._print(f"{description} ...")
            teller.start()
            yield work.advance
            self._print(f"{work.whole()}, done after {self._seconds}")
        finally:
            over.set()
            with self._lock:
                self._open.remove(work)

    def note(self, text: str) -> None:
        """One line."""
        self._print(f"  {text}")

    def validated(self, value: float) -> None:
        """Nothing, as with bars."""

    def _tell(self, over: Event) -> None:
        """A line from time to time, by a thread of its own: work may be long without a sign of life."""
        while not over.wait(max(self._every, RARER * (self._clock() - self._began))):
            with self._lock:
                said = ", ".join(str(work) for work in self._open)
            self._print(f"{said}, {self._seconds}")

    @property
    def _seconds(self) -> str:
        return f"{self._clock() - self._began:,.0f} s"

    def _print(self, text: str) -> None:
        err.print(text, markup=False, soft_wrap=True)


class _Work:
    """How far one task is."""

    def __init__(self, description: str, total: float | None) -> None:
        self._description, self._total, self._done = description, total, 0.0

    def advance(self, amount: float) -> None:
        self._done += amount

    def whole(self) -> str:
        self._done = self._total or self._done
        return str(self)

    def __str__(self) -> str:
        if self._total is None:
            return self._description + (f" {self._done:,.0f}" if self._done else "")
        return f"{self._description} {self._done:,.0f} of {self._total:,.0f}"


def progress_for(*, as_json: bool) -> Progress:
    """Bars for people who watch, lines for those who read later, silence for programs."""
    if as_json:
        return SILENT
    return BarProgress() if err.is_terminal else LineProgress()


def answer(document: Any) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=2, default=str, allow_nan=False) + "\n")


def complain(sentence: str, *, kind: str, as_json: bool) -> None:
    """Say what went wrong on the error stream, as a document where the command was asked for one."""
    if as_json:
        sys.stderr.write(json.dumps({"error": {"kind": kind, "message": sentence}}) + "\n")
    else:
        err.print("[bold red]error:[/] ", end="")
        err.print(sentence, markup=False, soft_wrap=True)
