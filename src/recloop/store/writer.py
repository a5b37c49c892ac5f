import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from recloop.errors import BusyError, StoreError
from recloop.store.backend import Appended, Backend, Rows

T = TypeVar("T")

GROUP = 512  # jobs in one transaction, at most
PENDING = 200_000  # rows waiting to be written, at most: beyond that the caller is told to wait
PATIENCE = 30  # seconds that a caller is told to wait, at most


class Job(NamedTuple):
    """Rows for the log, or something else to be done inside a transaction, and who waits for it."""

    work: Rows | Callable[[Connection], Any]
    future: "Future[Any]"
    rows: int


class Writer:
    """One thread that writes for all: whatever waits is done in one transaction (group commit).

    A commit costs a flush of the disk whatever its size, so many callers share one. A caller's future is resolved
    after the commit that holds its rows: what it was told is on disk.

    Args:
        backend: the database; a connection of it is kept for writing.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._connection = backend.engine.connect()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._speed = 0.0  # rows per second, of the last transaction
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recloop-writer", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Rows that wait to be written."""
        return self._pending

    def append(self, rows: Rows) -> "Future[Appended]":
        """Have rows added to the log by the next transaction; the future is resolved after its commit.

        Raises:
            BusyError: too much waits already.
            StoreError: the store is closed.
        """
        return self._put(rows, len(rows.rows))

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        """Have ``work`` done inside the next transaction, alone; the future is resolved after its commit.

        Raises:
            BusyError: too much waits already.
            StoreError: the store is closed.
        """
        return self._put(work, 1)

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _put(self, work: Rows | Callable[[Connection], Any], rows: int) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed", advice="open it again with Store(url)")
            if self._pending + rows > PENDING and self._pending:
                seconds = math.ceil(self._pending / self._speed) if self._speed else 1
                raise BusyError(
                    f"{self._pending} rows wait to be written",
                    allowed=f"at most {PENDING} may wait",
                    seconds=min(max(1, seconds), PATIENCE),
                )
            self._pending += rows
            self._queue.put(Job(work, future, rows))
        return future

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._gather()
            # a caller that went away before its rows were touched is not owed them
            wanted = [job for job in group if job.future.set_running_or_notify_cancel()]
            start = time.perf_counter()
            if wanted:
                self._commit_or_tell(wanted)
            rows = sum(job.rows for job in group)
            with self._lock:
                self._pending -= rows
                self._speed = rows / max(time.perf_counter() - start, 1e-6)
        self._connection.close()

    def _gather(self) -> tuple[list[Job], bool]:
        job = self._queue.get()
        group: list[Job] = []
        while job is not None:
            group.append(job)
            if len(group) == GROUP:
                return group, False
            try:
                job = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _commit_or_tell(self, group: list[Job]) -> None:
        """As ``_commit``; whatever breaks, nobody waits for ever, and the next group is written."""
        try:
            self._commit(group)
        except BaseException as error:  # noqa: BLE001  a thread that ends here would end all writing without a sign
            for job in group:
                if not job.future.done():
                    job.future.set_exception(error)
            with suppress(Exception):  # the next one makes it anew
                self._connection.invalidate()
                self._connection.rollback()

    def _commit(self, group: list[Job]) -> None:
        connection = self._connection
        batches = [job.work for job in group if isinstance(job.work, Rows)]
        try:
            if len(batches) == len(group):
                results: list[Any] = list(self._backend.take(connection, batches))
            else:
                self._backend.begin(connection, alone=True)
                appended = iter(self._backend.append(connection, batches))
                results = [next(appended) if isinstance(job.work, Rows) else job.work(connection) for job in group]
                connection.commit()
        except BaseException as error:  # noqa: BLE001  whatever happened, its callers wait for an answer
            self._undo()
            found = self._backend.explain(error)
            if len(group) > 1 and not isinstance(found, StoreError):
                # one caller's rows are wrong: the others' are not
                for job in group:
                    self._commit([job])
                return
            for job in group:
                job.future.set_exception(found)
            return
        for job, result in zip(group, results, strict=True):
            job.future.set_result(result)

    def _undo(self) -> None:
        """End the transaction; a connection that was lost in it is made anew by the next one."""
        try:
            self._connection.rollback()
        except Exception:  # noqa: BLE001  what was begun on a connection that is gone is undone by its end
            self._connection.invalidate()
            self._connection.rollback()
