import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Self, TypeVar, Unpack

import httpx

from recloop.client import requests
from recloop.client.requests import Narrowed, Sent, Wishes
from recloop.client.retry import Outcome, Retry, tries
from recloop.types import Event, Feedback
from recloop.wire import EventsAnswer, FeedbackAnswer, HealthAnswer, ItemsAnswer, RecommendAnswer, SearchAnswer

T = TypeVar("T")


class Client:
    """A running service, called over kept-alive connections; many threads may share one. Use it as a context.

    What fails on the way (no connection, 429, 502, 503, 504) is sent again, see ``Retry``. Events and feedback get
    their ids before the first try, so that nothing counts twice.

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
    ...     return httpx.Response(200, json={"decision": "d1", "policy": "p", "release": "r", "items": [
    ...         {"item": "i7", "score": 0.5}]})
    >>> with Client("http://shop.example", transport=httpx.MockTransport(shop)) as client:
    ...     slate = client.recommend("u1", k=1)
    >>> slate.decision, slate.items[0].item
    ('d1', 'i7')
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 10.0,
        retry: Retry | None = None,
        connections: int = 20,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.retries = 0
        self._lock = Lock()
        self._retry = retry or Retry()
        self._sleep = sleep
        self._http = httpx.Client(transport=transport, **requests.settings(url, key, timeout, connections))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def recommend(self, user: str | None = None, **wishes: Unpack[Wishes]) -> RecommendAnswer:
        """A slate for a user; without one for nobody in particular, from the ``history`` that is sent.

        Raises:
            RecloopError: the service refused, see ``recloop.client.problems.error_of``.
            ServiceError: it did not answer.
        """
        return self.call("POST", "/v1/recommend", {"user": user, **wishes}, answer=RecommendAnswer)

    def similar(self, item: str, **narrowed: Unpack[Narrowed]) -> ItemsAnswer:
        """Items like an item, best first.

        Raises:
            MissingError: the catalogue does not hold it.
        """
        return self.call("POST", requests.similar_path(item), narrowed, answer=ItemsAnswer)

    def search(self, text: str, **narrowed: Unpack[Narrowed]) -> SearchAnswer:
        """Items that a sentence asks for, best first."""
        return self.call("POST", "/v1/search", {"text": text, **narrowed}, answer=SearchAnswer)

    def send_events(self, events: Iterable[Event]) -> EventsAnswer:
        """Send events; what is accepted is on disk. One that cannot be kept is told of in ``rejected``, not raised."""
        sent = requests.batches(events)
        return requests.together((start, requests.read_events(self._send(batch))) for start, batch in sent)

    def send_feedback(self, said: Feedback) -> FeedbackAnswer:
        """Send a rating, a survey's answer, a thumb, a vote on a reason or a comment; it is on disk."""
        return requests.read(self._send(requests.feedback(said)), FeedbackAnswer)

    def ready(self) -> HealthAnswer:
        """That slates can be asked for.

        Raises:
            ServiceError: not now; the text says why.
        """
        return self.call("GET", "/health/ready", answer=HealthAnswer)

    def call(self, method: str, path: str, body: Any = None, *, answer: type[T]) -> T:
        """Any other route: its answer as the type ``answer``, ``dict`` where in doubt."""
        return requests.read(self._send(Sent.of(method, path, body)), answer)

    def _send(self, sent: Sent) -> httpx.Response:
        steps = tries(self._retry, str(sent))
        next(steps)  # the first try waits for nothing
        while True:
            try:
                wait = steps.send(self._once(sent))
            except StopIteration as done:
                answer: httpx.Response = done.value
                return answer
            with self._lock:
                self.retries += 1
            self._sleep(wait)

    def _once(self, sent: Sent) -> Outcome:
        try:
            return self._http.request(sent.method, sent.path, content=sent.content)
        except httpx.TransportError as error:
            return error
