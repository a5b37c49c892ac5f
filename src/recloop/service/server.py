"""The service as a process: a socket, a server, and an orderly end."""

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TextIO, TypedDict, Unpack

import uvicorn
from numpy.typing import ArrayLike

from recloop.app.door import Door
from recloop.app.promotion import promote_checked
from recloop.app.pseudonyms import Pseudonyms, agree
from recloop.app.serving import Serving, open_serving
from recloop.data import compiled
from recloop.errors import ConflictError, RecloopError, SettingError
from recloop.experience.surveys import Survey
from recloop.loop.release import load
from recloop.service.access import loopback
from recloop.service.application import LIMIT, Application, where
from recloop.service.browser import origins_of, shared
from recloop.service.logs import json_logs
from recloop.service.observe import AccessLog, Observed
from recloop.service.patience import PatientProtocol
from recloop.service.tracing import traces_from_environment
from recloop.store import Store
from recloop.store.hot import Hot

FOLLOW = 0.5  # seconds between looks at what other processes changed in the store
LEARN = 5.0  # seconds between looks at what came of the decisions of policies that learn
RAMP = 60.0  # seconds between looks at ramps: one that is due reads its experiment out
SWITCH = 0.001  # seconds that one thread may keep the others waiting: the writer's commits stand behind requests

_log = logging.getLogger("recloop.service")


class HttpServer(uvicorn.Server):
    """Serves on a socket that is bound already; ends when told to, after the requests under way.

    Args:
        serving: the use cases.
        listener: a bound socket.
        keys_required: whether each request needs an API key.
        observed: the figures; new ones where None.
        access_log: where a line per request goes.
        limit: bytes that a body may have.
        drain: seconds that requests under way get at the end.
        ready: called with the URL once requests are answered.
        rate: requests a second of a key that has no rate of its own.
        origins: of pages that may call.
        hot: what this service shares with others; None where it is alone.
    """

    def __init__(
        self,
        serving: Serving,
        listener: socket.socket,
        *,
        keys_required: bool,
        observed: Observed | None = None,
        access_log: AccessLog | None = None,
        limit: int = LIMIT,
        drain: float = 10.0,
        ready: Callable[[str], None] | None = None,
        rate: float | None = None,
        origins: frozenset[str] = frozenset(),
        hot: Hot | None = None,
    ) -> None:
        self._serving = serving
        self._listener = listener
        self._ready = ready
        self._following: tuple[asyncio.Task[None], ...] = ()
        self._answering = threading.Event()
        self._application = application = Application(
            serving,
            keys_required=keys_required,
            observed=observed,
            access_log=access_log,
            limit=limit,
            rate=rate,
            origins=origins,
            hot=hot,
        )
        super().__init__(
            uvicorn.Config(
                shared(application, origins),
                http=PatientProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                backlog=2048,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=round(drain),
            )
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def serve_forever(self) -> None:
        """Answer until ``stop`` or a signal."""
        self.run(sockets=[self._listener])

    def wait(self, seconds: float = 30.0) -> None:
        """Return once requests are answered.

        Raises:
            ConflictError: that takes too long.
        """
        if not self._answering.wait(seconds):
            raise ConflictError(f"the service did not answer within {seconds:.0f} seconds")

    def stop(self) -> None:
        """Take no more requests, finish those under way, and end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and to follow the store."""
        await super().startup(sockets=sockets)
        self._following = tuple(
            asyncio.create_task(self._repeat(*one))
            for one in (
                (FOLLOW, self._serving.follow),
                (FOLLOW, self._application.observed.refresh),
                (RAMP, self._serving.follow_ramps),
                (LEARN, self._serving.follow_outcomes),
            )
        )
        self._answering.set()
        if self._ready is not None:
            self._ready(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way."""
        for task in self._following:
            task.cancel()
        await super().shutdown(sockets=sockets)
        self._application.close()
        self._serving.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask for an orderly end, and are not raised again after it: the process ends with 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def end(_number: int, _frame: FrameType | None) -> None:
            self.force_exit = self.should_exit  # asked twice: at once
            self.should_exit = True

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _repeat(self, seconds: float, work: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await asyncio.to_thread(work)
            except RecloopError as error:
                _log.error("%s", error)
            except Exception as error:  # noqa: BLE001  it goes on: else the service would follow nothing any more
                _log.error("%s while following the store\n%s", type(error).__name__, where(error))


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket bound to a host and port; port 0 is any free one. A shared one lets others of its kind beside it.

    Raises:
        ConflictError: the port is in use.
        SettingError: the host or the port is not one of this machine, or may not be used.
    """
    if not 0 <= port <= 65_535:
        raise SettingError(f"the service cannot listen on {host}:{port}", allowed="a port is a number up to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingError(f"the service cannot listen on {host}:{port} ({error})") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(
                f"port {port} on {host} is in use",
                advice="stop the other program, or choose another port; 0 is any free one",
            ) from error
        raise SettingError(f"the service cannot listen on {host}:{port} ({error.strerror})") from error
    return listener


class Options(TypedDict, total=False):
    """How to serve; each has a default.

    Attributes:
        release: folder of a release that is promoted first; None serves the active one.
        host: loopback unless you mean it.
        port: 0 is any free one.
        shared: whether other processes listen on the port, too.
        keys: whether a key is needed; None needs one where the host is not loopback.
        seed: of the policies' randomness.
        limit: bytes that a body may have.
        drain: seconds that requests under way get at the end.
        patience: seconds to wait for a store that another process holds.
        log: where a line per request goes; None writes none.
        ready: called with the URL once requests are answered.
        sentiment: texts to numbers in [-1, 1], for readouts.
        rate: requests a second of a key that has no rate of its own; None for no limit.
        mask: whether addresses and numbers are taken out of free text.
        pseudonymise: the key file of the pseudonyms that replace the ids of users; None keeps the ids.
        origins: of pages that may call, such as ``https://shop.example``; none by default.
        redis: URL of what services on the same store share; None where this one is alone.
        survey: file with the table ``[survey]``: the question that some slates carry.
        quarantine: whether bandits learn nothing from what looks like an attack.
    """

    release: Path | None
    host: str
    port: int
    shared: bool
    keys: bool | None
    seed: int | None
    limit: int
    drain: float
    patience: float
    log: TextIO | None
    ready: Callable[[str], None] | None
    sentiment: Callable[[Sequence[str]], ArrayLike] | None
    rate: float | None
    mask: bool
    pseudonymise: Path | None
    origins: Sequence[str]
    redis: str | None
    survey: Path | None
    quarantine: bool


def serve(store_url: str | Path, **options: Unpack[Options]) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is under way.

    Args:
        store_url: of SQLite or PostgreSQL, or the path of a file.
        options: see ``Options``.

    Raises:
        ConflictError: the port is in use.
        SettingError: strangers could reach the service and no key would keep them out.
        StoreError: the store cannot be opened.
        ArtifactError: the release is damaged.
    """
    with json_logs(options.get("log", sys.stderr)), opened(store_url, **options) as server:
        settle()
        server.serve_forever()


def settle() -> None:
    """Look for garbage once, and from then on not among what is there: for processes that do nothing but serve.

    A release of 100,000 items is a quarter of a million objects. To look through them takes the interpreter a tenth of
    a second, in which every request waits, and finds nothing.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def background(store_url: str | Path, **options: Unpack[Options]) -> Iterator[HttpServer]:
    """The service in a thread of this process, answering while the context lasts: for tests and notebooks."""
    with opened(store_url, **options) as server:
        thread = threading.Thread(target=server.serve_forever, name="recloop-server", daemon=True)
        thread.start()
        try:
            server.wait()
            yield server
        finally:
            server.stop()
            thread.join()


@contextmanager
def opened(store_url: str | Path, **options: Unpack[Options]) -> Iterator[HttpServer]:
    """A server that is warm, and does not answer yet. The socket comes first: a taken port is told at once."""
    host, release = options.get("host", "127.0.0.1"), options.get("release")
    origins = origins_of(options.get("origins", ()))
    hot = Hot(url) if (url := options.get("redis")) else None
    sys.setswitchinterval(SWITCH)
    compiled.at_once()
    with (
        listen(host, options.get("port", 8000), shared=options.get("shared", False)) as listener,
        Store(store_url, timeout=options.get("patience", 5.0)) as store,
        closing(hot) if hot else nullcontext(),
    ):
        required = _keys_required(store, host, options.get("keys"))
        key_file = options.get("pseudonymise")
        names = None if key_file is None else Pseudonyms.read(key_file)
        agree(store, names, actor="recloop serve")
        if release is not None:
            promote_checked(store, release, time.time(), actor="recloop serve")
        observed = Observed(
            lambda: store.pending, lambda: getattr(serving.engine.release, "name", ""), traces_from_environment()
        )
        serving = open_serving(
            store,
            load,
            seed=options.get("seed"),
            door=Door(masks=options.get("mask", True), names=names),
            sentiment=options.get("sentiment"),
            watch=observed,
            hot=hot,
            survey=Survey.read(file) if (file := options.get("survey")) else None,
            quarantine=options.get("quarantine", False),
        )
        yield HttpServer(
            serving,
            listener,
            keys_required=required,
            observed=observed,
            access_log=AccessLog(options.get("log", sys.stderr)),
            limit=options.get("limit", LIMIT),
            drain=options.get("drain", 10.0),
            ready=options.get("ready"),
            rate=options.get("rate"),
            origins=origins,
            hot=hot,
        )


def _keys_required(store: Store, host: str, keys: bool | None) -> bool:
    if loopback(host):
        return bool(keys)
    if keys is False or not any(key.revoked is None for key in store.keys.all()):
        why = "keys are switched off" if keys is False else "the store has no API key"
        raise SettingError(
            f"{host} can be reached by other machines, and {why}",
            allowed="without keys only this machine may be served",
            advice="make a key (recloop keys create NAME --scope recommend --scope events), or serve on 127.0.0.1",
        )
    return True
