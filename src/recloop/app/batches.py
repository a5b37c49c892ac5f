import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext

from recloop.store import Appended
from recloop.types import Decision, Request

MOST = 32  # requests answered at a time: more save little, and the first of them waits for the last
SETTLE = 4  # turns of the loop before a batch: answers that are ready leave first, and what has arrived joins it
WRITING = 0.005  # seconds that a batch waits, at most, for the one before it to be on disk

Made = tuple[list[Decision | Exception], "Future[Appended]"]
Answer = Callable[[Sequence[Request]], Made]

Kept = asyncio.Future[Appended]
Found = asyncio.Future[tuple[Decision, Kept]]


class Batches:
    """Answers together what is asked at the same moment; belongs to one event loop.

    No request waits for others to come: what came while the last batch was made and written is the next one. A service
    that is hardly asked answers one request at a time, one under load many at once. A batch holds up everything else,
    the thread that writes as well, so the next one leaves the last a moment to get to the disk and out.

    Args:
        answer: requests to decisions, and the moment at which these are on disk.
        waiting: entered while a decision waits for the disk.
        beside: makes batches, where that may take as long as another machine likes; None makes them in the loop.
    """

    def __init__(
        self,
        answer: Answer,
        waiting: Callable[[], AbstractContextManager[object]] = nullcontext[None],
        *,
        beside: Executor | None = None,
    ) -> None:
        self._answer = answer
        self._storing = waiting
        self._beside = beside
        self._waiting: list[tuple[Request, Found]] = []
        self._busy = False  # a batch is being made or written, or is about to be made
        self._last: Kept | None = None  # the batch that the next one waits for

    async def ask(self, request: Request) -> Decision:
        """The decision on a request, once it is on disk.

        Raises:
            Exception: what the answer to this request is.
        """
        loop = asyncio.get_running_loop()
        found: Found = loop.create_future()
        self._waiting.append((request, found))
        if not self._busy:
            self._busy = True
            self._soon(loop)
        decision, kept = await found
        with self._storing():
            await asyncio.shield(kept)  # who goes away takes nobody's decision along
        return decision

    def close(self) -> None:
        """Let the thread go; nobody asks any more."""
        if self._beside is not None:
            self._beside.shutdown(wait=False)

    def _soon(self, loop: asyncio.AbstractEventLoop, turns: int = SETTLE) -> None:
        """Make a batch a few turns later: each turn costs microseconds, and a batch holds all others up meanwhile."""
        if turns:
            loop.call_soon(self._soon, loop, turns - 1)
        else:
            self._make(loop)

    def _make(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        batch = [(request, found) for request, found in batch if not found.done()]  # somebody may have gone
        requests, everyone = [request for request, _ in batch], [found for _, found in batch]
        if self._beside is not None:
            made = loop.run_in_executor(self._beside, self._answer, requests)
            made.add_done_callback(lambda made: self._tell(loop, everyone, made.result))
        else:
            self._tell(loop, everyone, lambda: self._answer(requests))

    def _tell(self, loop: asyncio.AbstractEventLoop, everyone: Sequence[Found], made: Callable[[], Made]) -> None:
        """Hand the answers out, and go on once they are written."""
        try:
            answers, durable = made()
            kept = asyncio.wrap_future(durable)
        except Exception as error:  # noqa: BLE001  it is the answer
            for found in everyone:
                if not found.done():
                    found.set_exception(error)
            self._next(loop)
            return
        for found, answer in zip(everyone, answers, strict=True):
            if found.done():  # who asked went away meanwhile
                continue
            if isinstance(answer, Exception):
                found.set_exception(answer)
            else:
                found.set_result((answer, kept))
        self._last = kept
        patience = loop.call_later(WRITING, self._next, loop, kept)

        def written(kept: Kept) -> None:
            patience.cancel()
            self._next(loop, kept)
            if not kept.cancelled():
                kept.exception()  # whoever waits is told; where nobody does, asyncio would tell the log

        kept.add_done_callback(written)

    def _next(self, loop: asyncio.AbstractEventLoop, after: Kept | None = None) -> None:
        """Go on after a batch, once."""
        if after is not self._last:
            return
        self._last = None
        if self._waiting:
            self._soon(loop)
        else:
            self._busy = False
