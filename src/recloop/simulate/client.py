"""What simulated users talk to: the routes of a running service, in batches."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
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

    What fails on the way is sent again with the same ids, so that nothing counts twice. Use it as a context.

    Args:
        url: of the service, such as ``http://127.0.0.1:8080``.
        key: API key; none where None.
        connections: requests under way at the same time.
        retries: how often one request is sent again, at most.
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
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.latencies: list[float] = []
        self.retries = 0
        self._tries = retries
        self._url = url
        self._runner = asyncio.Runner()
        self._places = asyncio.Semaphore(connections)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._http = httpx.AsyncClient(
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
        self._runner.run(self._http.aclose())
        self._runner.close()

    def recommend(self, requests: Sequence[Body]) -> list[Body]:
        """The answer to each request, in the same order."""
        return self._all(self._recommend, requests)

    def send_events(self, events: Sequence[Body]) -> None:
        """Send events in batches; returns when all are kept."""
        batches = [events[at : at + EVENTS] for at in range(0, len(events), EVENTS)]
        for answer in self._all(lambda batch: self._post("/v1/events", {"events": batch}), batches):
            if answer.get("rejected"):
                raise ServiceError(f"the service rejected an event: {answer['rejected'][0]}")

    def send_feedback(self, feedback: Sequence[Body]) -> None:
        """Send what users say, one at a time; returns when all is kept."""
        self._all(lambda said: self._post("/v1/feedback", said), feedback)

    def _all(self, send: Callable[[Any], Awaitable[Body]], bodies: Sequence[Any]) -> list[Body]:
        async def one(body: Any) -> Body:
            async with self._places:
                return await send(body)

        async def everything() -> list[Body]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(body)) for body in bodies]
            return [task.result() for task in tasks]

        if not bodies:
            return []
        try:
            return self._runner.run(everything())
        except ExceptionGroup as group:  # one reason is enough
            raise group.exceptions[0] from None

    async def _recommend(self, body: Body) -> Body:
        start = time.perf_counter()
        answer = await self._post("/v1/recommend", body)
        self.latencies.append(time.perf_counter() - start)
        return answer

    async def _post(self, path: str, body: Any) -> Body:
        content, failed = msgspec.json.encode(body), ""
        for again in range(self._tries + 1):
            if again:
                self.retries += 1
                await asyncio.sleep(min(0.05 * 2**again, 2.0))
            try:
                answer = await self._http.post(path, content=content)
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
            f"{self._url}{path} failed {self._tries + 1} times, at last with {failed}", advice="is the service running?"
        )
