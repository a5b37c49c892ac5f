"""How often each key may ask, counted by all services together: exact while Redis answers, else made up for."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from recloop.service.rates import Bucket
from recloop.store.pace import Asked, Pace

Ticket: TypeAlias = "asyncio.Future[float]"

PATIENCE = 0.05  # seconds that a request waits for Redis, at most
GATHER = 0.02  # seconds in which requests that wait for nothing are gathered, to be told together
KNOWN = 0.25  # seconds for which what Redis told is as good as new, while a bucket is not half empty
PAUSE = 1.0  # seconds after which a Redis that did not count is asked again


@dataclass(slots=True)
class Book(Bucket):
    """A bucket as this process knows it.

    Attributes:
        owed: requests that passed here and that Redis has not counted; negative where it counted some that did not.
        asked: requests that wait for an answer, in order.
        told: when Redis told of it.
    """

    owed: int = 0
    told: float = float("-inf")
    asked: "list[Ticket]" = field(default_factory=list)

    def roomy(self, now: float) -> bool:
        """Whether so much room is known to be left that nobody needs to ask before a request passes."""
        return now - self.told < KNOWN and self.full + self.one - now <= self.burst / 2

    def decide(self, now: float) -> float:
        """As ``wait``, by what is known here; Redis is to be told."""
        late = self.wait(now)
        self.owed += not late
        return late


class SharedRates:
    """One bucket per key, in Redis, for all processes that name the same one; used from one event loop.

    Requests are asked about together, one question after the other, off the event loop; while a bucket is known to be
    half full at least, a request passes at once and is told of later. Where an answer takes longer than ``PATIENCE``,
    no request waits for one until they come at once again: each process decides by what it was told last and by what
    it let pass itself, and tells that with its next question. What several of them let pass too much is thereby made
    up for, since the bucket is the emptier. Where Redis is gone, each process counts for itself.

    Args:
        pace: the counts in Redis.
        timer: seconds.
    """

    def __init__(self, pace: Pace, timer: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._timer = timer
        self._books: dict[str, Book] = {}
        self._open: dict[str, Book] = {}  # those of which something is to be told
        self._since = 0.0  # when the first of them was opened
        self._prompt = True  # whether Redis answered within PATIENCE when it was asked last
        self._waited = asyncio.Event()  # whether somebody waits for the next answer
        self._asking: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "recloop-pace")

    async def wait(self, key: str, rate: float) -> float:
        """As ``Rates.wait``; ``rate`` is requests a second, infinite for no limit."""
        if rate == float("inf"):
            return 0.0
        now = self._timer()
        book = self._books.setdefault(key, Book(1.0 / rate, now))
        book.one = 1.0 / rate
        if not self._prompt or book.roomy(now):
            late = book.decide(now)
            self._tell(key, book)
            return late
        ticket: Ticket = asyncio.get_running_loop().create_future()
        book.asked.append(ticket)
        self._waited.set()
        self._tell(key, book)
        return await ticket

    def close(self) -> None:
        """Let the thread go; nobody asks any more."""
        self._thread.shutdown(wait=False)

    def _tell(self, key: str, book: Book) -> None:
        if not self._open:
            self._since = self._timer()
        self._open[key] = book
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask_all())

    async def _ask_all(self) -> None:
        try:
            while self._open:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GATHER):
                        await self._waited.wait()
                self._waited.clear()
                books, self._open = self._open, {}
                if not await self._ask(books):
                    self._decide(_waiting(self._open))
                    await asyncio.sleep(PAUSE)
        finally:  # whatever happened, nobody waits for ever
            self._decide(_waiting(self._open))

    async def _ask(self, books: dict[str, Book]) -> bool:
        """One question, and what it brought; whether Redis has counted."""
        batch = [Asked(key, book.one, book.burst, book.owed, len(book.asked)) for key, book in books.items()]
        waiting = _waiting(books)
        for book in books.values():
            book.owed = 0
        call = asyncio.get_running_loop().run_in_executor
        answer = call(self._thread, self._pace.count, batch, self._timer() - self._since)
        try:
            await asyncio.wait({answer}, timeout=PATIENCE)
            if not (prompt := answer.done()):
                self._prompt = False
                self._decide([*waiting, *_waiting(self._open)])
            found = await answer
            self._prompt = prompt and found is not None
            if found is None:
                return False
            for (key, book), (_, tickets), (fit, full) in zip(books.items(), waiting, found, strict=True):
                if prompt:
                    for place, ticket in enumerate(tickets):
                        if not ticket.done():  # its client may be gone
                            ticket.set_result(0.0 if place < fit else full + book.one - book.burst)
                else:
                    book.owed -= fit
                book.told = self._timer()
                book.full = book.told + full + max(0, book.owed) * book.one
                if book.owed:
                    self._tell(key, book)
            return True
        finally:
            self._decide(waiting)

    def _decide(self, waiting: Iterable[tuple[Book, list[Ticket]]]) -> None:
        """Answer those who still wait by what is known here; Redis is told of them next time."""
        for book, tickets in waiting:
            for ticket in tickets:
                if not ticket.done():
                    ticket.set_result(book.decide(self._timer()))


def _waiting(books: dict[str, Book]) -> list[tuple[Book, list[Ticket]]]:
    """Those who wait at each; from now on nobody does."""
    found = [(book, book.asked) for book in books.values()]
    for book in books.values():
        book.asked = []
    return found
