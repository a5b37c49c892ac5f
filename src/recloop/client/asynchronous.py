import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self, TypeVar, Unpack

import httpx

from recloop.client import requests
from recloop.client.requests import Narrowed, Sent, Wishes
from recloop.client.retry import Outcome, Retry, tries
from recloop.types import Event, Feedback
from recloop.wire import EventsAnswer, FeedbackAnswer, HealthAnswer, ItemsAnswer, RecommendAnswer, SearchAnswer

T = TypeVar("T")


class AsyncClient:
    """As ``Client``, for programs that run on asyncio. Use it as an asynchronous context.

    Attributes:
        retries: how often something was sent again so far.

    Args:
        url: of the service, such as ``http://127.0.0.1:8000``.
        key: API key; none where None.
        timeout: seconds to wait for a connection, and for an answer.
        retry: how often a request is sent again.
        connections: kept at most.
        transport: another way than sockets, for tests.
        sleep: waits so many seconds.

    Raises:
        SettingError: the URL is none.

    >>> def shop(request):
    ...     return httpx.Response(202, json={"accepted": 1, "duplicates": 0})
    >>> async def main():
    ...     async with AsyncClient("http://shop.example", transport=httpx.MockTransport(shop)) as client:
    ...         return await client.send_events([Event("u1", "i7", "click")])
    >>> asyncio.run(main())
    EventsAnswer(accepted=1, duplicates=0, rejected=(), times=UNSET)
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 10.0,
        retry: Retry | None = None,
        connections: int = 20,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.retries = 0
        self._retry = retry or Retry()
        self._sleep = sleep
        self._http = httpx.AsyncClient(transport=transport, **requests.settings(url, key, timeout, connections))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def recommend(self, user: str | None = None, **wishes: Unpack[Wishes]) -> RecommendAnswer:
        """See ``Client.recommend``."""
        return await self.call("POST", "/v1/recommend", {"user": user, **wishes}, answer=RecommendAnswer)

    async def similar(self, item: str, **narrowed: Unpack[Narrowed]) -> ItemsAnswer:
        """See ``Client.similar``."""
        return await self.call("POST", requests.similar_path(item), narrowed, answer=ItemsAnswer)

    async def search(self, text: str, **narrowed: Unpack[Narrowed]) -> SearchAnswer:
        """See ``Client.search``."""
        return await self.call("POST", "/v1/search", {"text": text, **narrowed}, answer=SearchAnswer)

    async def send_events(self, events: Iterable[Event]) -> EventsAnswer:
        """See ``Client.send_events``."""
        sent = requests.batches(events)
        return requests.together([(start, requests.read_events(await self._send(batch))) for start, batch in sent])

    async def send_feedback(self, said: Feedback) -> FeedbackAnswer:
        """See ``Client.send_feedback``."""
        return requests.read(await self._send(requests.feedback(said)), FeedbackAnswer)

    async def ready(self) -> HealthAnswer:
        """See ``Client.ready``."""
        return await self.call("GET", "/health/ready", answer=HealthAnswer)

    async def call(self, method: str, path: str, body: Any = None, *, answer: type[T]) -> T:
        """See ``Client.call``."""
        return requests.read(await self._send(Sent.of(method, path, body)), answer)

    async def _send(self, sent: Sent) -> httpx.Response:
        steps = tries(self._retry, str(sent))
        next(steps)  # the first try waits for nothing
        while True:
            try:
                wait = steps.send(await self._once(sent))
            except StopIteration as done:
                answer: httpx.Response = done.value
                return answer
            self.retries += 1
            await self._sleep(wait)

    async def _once(self, sent: Sent) -> Outcome:
        try:
            return await self._http.request(sent.method, sent.path, content=sent.content)
        except httpx.TransportError as error:
            return error
