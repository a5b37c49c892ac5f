"""Several processes that serve one store on one port, watched by the one that started them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Unpack

import numpy as np
from prometheus_client.multiprocess import mark_process_dead

from recloop.app.comments import comment_reader
from recloop.app.promotion import promote_checked
from recloop.errors import ConflictError, RecloopError
from recloop.service.observe import FOLDER
from recloop.service.server import Options, listen, serve
from recloop.store import Store

BEGIN = 120.0  # seconds in which a worker must be ready
LOOK = 0.05  # seconds between looks at the workers
STEADY = 5.0  # seconds after which a worker that ends did not end at its start
LONGEST = 30.0  # seconds between two starts of a worker that ends at its start, at most


def serve_all(store_url: str | Path, workers: int = 1, **options: Unpack[Options]) -> None:
    """Serve until SIGINT or SIGTERM with one process, this one, or with several that this one watches.

    Each worker has a release in memory and a socket of its own on the port (``SO_REUSEPORT``); the kernel deals new
    connections out. They share the store, and nothing else: releases, experiments and histories are followed there,
    and figures are added up. A worker that ends is replaced.

    Args:
        store_url: ``sqlite:///file.db`` or the path of the file.
        workers: how many processes.
        options: see ``Options``; ``sentiment`` is what the installation has.

    Raises:
        ConflictError: the port is in use, or a worker did not start.
        SettingError: strangers could reach the service and no key would keep them out.
        StoreError: the store cannot be opened.
        ArtifactError: the release is damaged.
    """
    if workers == 1:
        alone: Options = {"sentiment": comment_reader(), **options}
        serve(store_url, **alone)
        return
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConflictError("several workers share one port, which this system does not allow", advice="use one worker")
    host, ready, release = options.get("host", "127.0.0.1"), options.get("ready"), options.pop("release", None)
    with listen(host, options.get("port", 8000)) as taken:  # alone: a port that another program has is told
        port = taken.getsockname()[1]
    with listen(host, port, shared=True), TemporaryDirectory(prefix="recloop-figures-") as figures:
        if release is not None:
            with Store(store_url, timeout=options.get("patience", 5.0)) as store:
                promote_checked(store, release, time.time(), actor="recloop serve")
        told = {**options, "port": port, "shared": True, "log": options.get("log") is not None}
        told.pop("ready", None)
        seeds = _seeds(options.get("seed"), workers)
        team = [Worker([str(store_url), json.dumps({**told, "seed": seed}, default=str)], figures) for seed in seeds]
        with _ending() as asked:
            try:
                for worker in team:
                    worker.wait(asked)
                if ready is not None and not asked():
                    ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
                while not asked():
                    for worker in team:
                        worker.look()
                    time.sleep(LOOK)
            finally:
                for worker in team:
                    worker.stop()
                for worker in team:
                    worker.join(options.get("drain", 10.0) + 5.0)


class Worker:
    """One process that serves, and its successors.

    Args:
        words: what it is told: the store and its options as JSON.
        figures: the folder in which workers keep their figures.
    """

    def __init__(self, words: list[str], figures: str) -> None:
        self._words = words
        self._environment = {**os.environ, FOLDER: figures}
        self._figures = figures
        self._pause = 0.0
        self._again = 0.0
        self._start()

    def wait(self, asked: Callable[[], bool]) -> None:
        """Return once it answers, or the end is asked for.

        Raises:
            ConflictError: it does not within ``BEGIN`` seconds.
            RecloopError: it ended, and said why.
        """
        end = time.monotonic() + BEGIN
        while not self._ready.is_set() and not asked():
            if self._process.poll() is not None:
                raise _EndedError(self._process.returncode)
            if time.monotonic() > end:
                raise ConflictError(f"a worker did not answer within {BEGIN:.0f} seconds")
            time.sleep(LOOK)

    def look(self) -> None:
        """Replace the process where it has ended; later each time where it ends at its start."""
        if self._process.poll() is None:
            return
        now = time.monotonic()
        if self._again == 0.0:
            mark_process_dead(self._process.pid, self._figures)  # type: ignore[no-untyped-call]
            steady = now - self._started > STEADY
            self._pause = 0.0 if steady else min(LONGEST, max(1.0, 2 * self._pause))
            self._again = now + self._pause
        if now >= self._again:
            self._start()

    def stop(self) -> None:
        """Ask it to finish what is under way."""
        if self._process.poll() is None:
            self._process.terminate()

    def join(self, patience: float) -> None:
        """Wait for its end; after so many seconds it is ended."""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _start(self) -> None:
        self._ready = threading.Event()
        self._started, self._again = time.monotonic(), 0.0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "recloop.service.worker"],
            stdin=subprocess.PIPE,  # it ends when this is closed: no worker outlives the one that watches
            stdout=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for the one that watches
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which is seen next
            # not as arguments: any user of the machine may read those, and a URL may hold a password
            self._process.stdin.write(json.dumps(self._words).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._listen, args=(self._process, self._ready), daemon=True).start()

    @staticmethod
    def _listen(process: "subprocess.Popen[bytes]", ready: threading.Event) -> None:
        assert process.stdout is not None
        if process.stdout.readline():
            ready.set()


class _EndedError(RecloopError):
    """A worker ended at its start; what is wrong it has written itself."""

    def __init__(self, code: int) -> None:
        super().__init__("a worker could not start", advice="see above")
        vars(self)["exit_code"] = code if code > 0 else ConflictError.exit_code


def _seeds(seed: int | None, workers: int) -> list[int | None]:
    """A seed for each worker: with the same one they would draw the same arms."""
    if seed is None:
        return [None] * workers
    return [int(one.generate_state(1)[0]) for one in np.random.SeedSequence(seed).spawn(workers)]


@contextmanager
def _ending() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came."""
    came = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        came.set()

    before: dict[int, Any] = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
