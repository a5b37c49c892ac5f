"""What goes out, and how what comes back is read: the same for both clients."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import msgspec
from msgspec.structs import replace

from recloop.client.problems import ServiceError, error_of, problem_of
from recloop.errors import SettingError
from recloop.types import Event, Feedback, ItemCondition
from recloop.wire import API, API_HEADER, EventsAnswer, PastEvent, UnusualTimes

BATCH = 1000  # events in one request
T = TypeVar("T")


class Wishes(TypedDict, total=False):
    """What a request for a slate may say, see ``POST /v1/recommend``; each has a default."""

    k: int
    history: Sequence[PastEvent]
    candidates: Sequence[str] | None
    exclude: Sequence[str]
    where: Mapping[str, ItemCondition]
    surface: str
    profile: Mapping[str, str]
    context: Mapping[str, str]
    time: float | None
    steer: str
    strength: float
    explain: bool
    session: str | None
    force: Mapping[str, str]


class Narrowed(TypedDict, total=False):
    """What a request for similar items, or a search, may say besides; each has a default."""

    k: int
    exclude: Sequence[str]
    where: Mapping[str, ItemCondition]


class Sent(NamedTuple):
    """A request that is ready to be sent, as often as needed: each try sends the same bytes."""

    method: str
    path: str
    content: bytes | None

    @classmethod
    def of(cls, method: str, path: str, body: Any = None) -> "Sent":
        """A request with its body written out."""
        return cls(method, path, None if body is None else msgspec.json.encode(body))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def settings(url: str, key: str | None, timeout: float, connections: int) -> dict[str, Any]:
    """What both of httpx's clients are made with.

    Raises:
        SettingError: the URL is none of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingError(f"the URL of the service is '{url}'", allowed="it begins with http:// or https://")
    headers = {"content-type": "application/json", API_HEADER: API}
    return {
        "base_url": url,
        "headers": headers | ({"authorization": f"Bearer {key}"} if key else {}),
        "timeout": timeout,
        "limits": httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        # a proxy of the environment is not for the loopback
        "trust_env": parts.hostname not in {"localhost", "127.0.0.1", "::1"},
    }


def read(answer: httpx.Response, kind: type[T]) -> T:
    """The answer as its type. Fields that this client does not know are passed over.

    Raises:
        RecloopError: the answer tells of a problem, see ``error_of``.
        ServiceError: it is something else.
    """
    if not answer.is_success:
        raise error_of(answer)
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServiceError(
            f"{answer.request.url.path} gave an answer that cannot be read ({error})",
            advice="look whether the URL is that of the service",
        ) from None


def read_events(answer: httpx.Response) -> EventsAnswer:
    """What became of a batch. One of which nothing was kept is told of as one that was kept in part."""
    problem = problem_of(answer)
    return EventsAnswer(0, 0, problem.rejected) if problem and problem.rejected else read(answer, EventsAnswer)


def similar_path(item: str) -> str:
    """The path of the items like an item, whatever its id holds."""
    return f"/v1/items/{quote(item, safe='')}/similar"


def batches(events: Iterable[Event]) -> Iterator[tuple[int, Sent]]:
    """Batches, with the place of their first event. Each event gets its id here, so that sent again it counts once."""
    known = [event if event.id else replace(event, id=uuid4().hex) for event in events]
    for start in range(0, len(known), BATCH):
        yield start, Sent.of("POST", "/v1/events", {"events": known[start : start + BATCH]})


def feedback(said: Feedback) -> Sent:
    """What a user said, with an id, so that sent again it counts once."""
    return Sent.of("POST", "/v1/feedback", said if said.id else replace(said, id=uuid4().hex))


def together(parts: Iterable[tuple[int, EventsAnswer]]) -> EventsAnswer:
    """What became of all batches; places count from the first event.

    >>> from recloop.wire import Rejected
    >>> together([(0, EventsAnswer(9, 1)), (10, EventsAnswer(4, 0, (Rejected(2, "no time"),)))])
    EventsAnswer(accepted=13, duplicates=1, rejected=(Rejected(index=12, detail='no time'),), times=UNSET)
    """
    accepted, duplicates, rejected = 0, 0, []
    times: dict[str, int] = {}
    for start, part in parts:
        accepted += part.accepted
        duplicates += part.duplicates
        rejected += [replace(one, index=start + one.index) for one in part.rejected]
        if isinstance(part.times, UnusualTimes):
            for name, count in msgspec.structs.asdict(part.times).items():
                times[name] = times.get(name, 0) + count
    return EventsAnswer(accepted, duplicates, tuple(rejected), UnusualTimes(**times) if times else msgspec.UNSET)
