"""What a line of the table of routes is, and what its handler sees."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from recloop.app.serving import Serving
from recloop.service.observe import Observed


@dataclass(slots=True)
class Call:
    """One request as a handler sees it: parsed, and allowed."""

    serving: Serving
    observed: Observed
    body: Any
    path: Mapping[str, str]
    actor: str


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not JSON of a type."""

    content: bytes
    media: str
    policy: str = ""
    cache: str = ""


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the table. ``scope`` is what a key needs; ``errors`` are the statuses that it may answer besides.

    ``also`` names the scope that some bodies need besides, "" for those that need none. ``from_page`` takes what a page
    can send by ``sendBeacon``.
    """

    method: str
    path: str
    scope: str
    handler: Handler
    answer: type[Any]
    request: type[msgspec.Struct] | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    parse: Callable[[bytes], Any] | None = None
    also: Callable[[Any], str] | None = None
    from_page: bool = False

    @property
    def summary(self) -> str:
        """The first line of what the handler says of itself."""
        return (self.handler.__doc__ or "").partition("\n")[0].rstrip(".")
