import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from recloop.errors import StoreError

T = TypeVar("T")

GROUP = 512  # jobs in one transaction, at most
PENDING = 200_000  # rows waiting to be written, at most: beyond that the caller is told to wait


class Job(NamedTuple):
    """Something to be done inside a transaction, and who waits for it."""

    work: Callable[[Connection], Any]
    future: "Future[Any]"
    rows: int


class Writer:
    """One thread that writes for all: whatever waits is done in one transaction (group commit).

    A commit costs a flush of the disk whatever its size, so many callers share one. A caller's future is resolved
    after the commit that holds its rows: what it was told is on disk.

    Args:
        connection: kept for writing; no one else may use it.
        explain: makes an error of the database into one that says what to do.
    """

    def __init__(self, connection: Connection, explain: Callable[[BaseException], BaseException]) -> None:
        self._connection = connection
        self._explain = explain
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recloop-writer", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Rows that wait to be written."""
        return self._pending

    def submit(self, work: Callable[[Connection], T], rows: int = 1) -> "Future[T]":
        """Have ``work`` done inside the next transaction; the future is resolved after its commit.

        Raises:
            StoreError: the store is closed, or too much waits already.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed", advice="open it again with Store(url)")
            if self._pending + rows > PENDING and self._pending:
                raise StoreError(
                    f"{self._pending} rows wait to be written",
                    allowed=f"at most {PENDING} may wait",
                    advice="send again in a second",
                )
            self._pending += rows
            self._queue.put(Job(work, future, rows))
        return future

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._gather()
            # a caller that went away before its rows were touched is not owed them
            wanted = [job for job in group if job.future.set_running_or_notify_cancel()]
            if wanted:
                self._commit(wanted)
            with self._lock:
                self._pending -= sum(job.rows for job in group)
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

    def _commit(self, group: list[Job]) -> None:
        connection = self._connection
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            results = [job.work(connection) for job in group]
            connection.commit()
        except BaseException as error:  # noqa: BLE001  whatever happened, its callers wait for an answer
            connection.rollback()
            found = self._explain(error)
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
