"""What simulated users talk to: the routes of a running service, in batches."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import httpx
import msgspec

from recloop.errors import RecloopError

Body = Mapping[str, Any]
EVENTS = 500  # in one request
AGAIN = frozenset({429, 500, 502, 503, 504})


class Client(Protocol):
    """The service as simulated users see it; bodies and answers are those of the HTTP routes.

    ``latencies`` holds the seconds of each answer to ``recommend``, ``retries`` how often something was sent again.
    """

    latencies: list[float]
    retries: int

    def recommend(self, requests: Sequence[Body]) -> list[Body]:
        """The answer to each request (``POST /v1/recommend``), in the same order."""
        ...

    def send_events(self, events: Sequence[Body]) -> None:
        """Returns when all are kept (``POST /v1/events``)."""
        ...

    def send_feedback(self, feedback: Sequence[Body]) -> None:
        """Returns when all is kept (``POST /v1/feedback``)."""
        ...


class ServiceError(RecloopError):
    """The service that simulated users visit refused, or did not answer."""

    exit_code: ClassVar[int] = 7
    status: ClassVar[int] = 502


class HttpClient:
    """A client over HTTP with kept-alive connections, several requests at a time.

    What fails on the way is sent again with the same ids, so that nothing counts twice. Use it as a context. Threads
    and not coroutines: httpx takes a third of the processor time this way.

    Args:
        url: of the service, such as ``http://127.0.0.1:8080``.
        key: API key; none where None.
        connections: requests under way at the same time.
        retries: how often one request is sent again, at most.
        patience: seconds to wait before it is sent again for the first time; each further wait is twice as long.
        timeout: seconds to wait for an answer.
        transport: another way than sockets, for tests.

    Raises:
        ServiceError: the service refused (the text of its answer is in the error), or every try failed.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        connections: int = 8,
        retries: int = 5,
        patience: float = 0.1,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.latencies: list[float] = []
        self.retries = 0
        self._url = url
        self._tries = retries
        self._patience = patience
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(connections, "simulated-users")
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=timeout,
            transport=transport,
            trust_env=False,  # a proxy of the environment is not for the loopback
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(cancel_futures=True)
        self._http.close()

    def recommend(self, requests: Sequence[Body]) -> list[Body]:
        """The answer to each request, in the same order."""
        answered = list(self._threads.map(self._recommend, requests))
        self.latencies += [seconds for _, seconds in answered]
        return [answer for answer, _ in answered]

    def send_events(self, events: Sequence[Body]) -> None:
        """Send events in batches; returns when all are kept."""
        batches = [{"events": events[at : at + EVENTS]} for at in range(0, len(events), EVENTS)]
        for answer in self._threads.map(self._post, ["/v1/events"] * len(batches), batches):
            if answer.get("rejected"):
                raise ServiceError(f"the service rejected an event: {answer['rejected'][0]}")

    def send_feedback(self, feedback: Sequence[Body]) -> None:
        """Send what users say, one at a time; returns when all is kept."""
        list(self._threads.map(self._post, ["/v1/feedback"] * len(feedback), feedback))

    def _recommend(self, body: Body) -> tuple[Body, float]:
        start = time.perf_counter()
        answer = self._post("/v1/recommend", body)
        return answer, time.perf_counter() - start

    def _post(self, path: str, body: Body) -> Body:
        content, failed = msgspec.json.encode(body), ""
        for again in range(self._tries + 1):
            if again:
                with self._lock:
                    self.retries += 1
                time.sleep(self._patience * 2 ** (again - 1))
            try:
                answer = self._http.post(path, content=content)
            except httpx.TransportError as error:
                failed = type(error).__name__
                continue
            if answer.status_code in AGAIN:
                failed = f"status {answer.status_code}"
                continue
            if answer.is_error:
                raise ServiceError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
            found: Body = msgspec.json.decode(answer.content)
            return found
        raise ServiceError(
            f"{self._url}{path} failed {self._tries + 1} times, at last with {failed}",
            advice="look whether the service runs, and at its log",
        )
