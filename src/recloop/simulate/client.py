"""What simulated users talk to: the routes of a running service, in batches."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from recloop.client import Client, Retry, ServiceError

Body = Mapping[str, Any]
EVENTS = 500  # in one request


class Visited(Protocol):
    """The service as simulated users see it; bodies and answers are those of the HTTP routes.

    ``latencies`` holds the seconds of each answer to ``recommend``, ``retries`` how often something was sent again.
    """

    latencies: list[float]

    @property
    def retries(self) -> int:
        """How often something was sent again."""
        ...

    def recommend(self, requests: Sequence[Body]) -> list[Body]:
        """The answer to each request (``POST /v1/recommend``), in the same order."""
        ...

    def send_events(self, events: Sequence[Body]) -> None:
        """Returns when all are kept (``POST /v1/events``)."""
        ...

    def send_feedback(self, feedback: Sequence[Body]) -> None:
        """Returns when all is kept (``POST /v1/feedback``)."""
        ...


class HttpClient:
    """Many users at a time on one ``recloop.Client``. Use it as a context.

    Simulated users make the ids of their events themselves, so that nothing counts twice. Threads and not coroutines:
    httpx takes a third of the processor time this way.

    Args:
        url: of the service, such as ``http://127.0.0.1:8080``.
        key: API key; none where None.
        connections: requests under way at the same time.
        retry: how often one request is sent again.
        timeout: seconds to wait for an answer.
        transport: another way than sockets, for tests.

    Raises:
        RecloopError: the service refused; the text is its own sentence.
        ServiceError: every try failed.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        connections: int = 8,
        retry: Retry | None = None,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.latencies: list[float] = []
        self._threads = ThreadPoolExecutor(connections, "simulated-users")
        self._client = Client(url, key=key, timeout=timeout, retry=retry, connections=connections, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(cancel_futures=True)
        self._client.close()

    @property
    def retries(self) -> int:
        """How often something was sent again."""
        return self._client.retries

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
        return self._client.call("POST", path, body, answer=dict)
