"""Pages of other origins: which may call, and what ``sendBeacon`` sends as a request like any other."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from recloop.errors import SettingError
from recloop.service.problems import HttpError
from recloop.wire import API_HEADER


def origins_of(names: Iterable[str]) -> frozenset[str]:
    """Origins that pages may call from.

    Raises:
        SettingError: one is no origin.

    >>> origins_of(["https://shop.example", "http://localhost:3000"]) == {"https://shop.example", "http://localhost:3000"}
    True
    """
    for name in names:
        parts = urlsplit(name)
        if parts.scheme not in {"http", "https"} or not parts.netloc or name != f"{parts.scheme}://{parts.netloc}":
            raise SettingError(
                f"'{name}' is no origin",
                allowed="an origin is a scheme and a host, and the port where it is an unusual one",
                advice="write https://shop.example, without a path or a slash at the end",
            )
    return frozenset(names)


def shared(application: ASGIApp, origins: frozenset[str]) -> ASGIApp:
    """The application, whose answers pages of these origins may read; without cookies, and nothing where none are."""
    if not origins:
        return application
    return CORSMiddleware(
        application,
        allow_origins=sorted(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "x-request-id", API_HEADER],
        expose_headers=["x-request-id", "retry-after"],
        max_age=3600,
    )


def from_here(headers: Headers, origins: frozenset[str]) -> None:
    """Refuse what a page of another origin sends; programs name no origin.

    Raises:
        HttpError: 403, the origin is not allowed.
    """
    origin = headers.get("origin")
    if origin is not None and origin not in origins and urlsplit(origin).netloc != headers.get("host"):
        raise HttpError(
            403,
            f"the page is of the origin '{origin[:100]}'",
            allowed=f"allowed are: {', '.join(sorted(origins)) or 'the pages of this service itself'}",
            advice="start the service with --origin ORIGIN",
        )


def as_request(scope: Any, headers: Headers, origins: frozenset[str]) -> Headers:
    """The headers that a program would have sent for what a page has sent.

    ``sendBeacon`` sets no header, and a plain text asks no permission first. So the key stands in the query, and the
    origin of the page is looked at here: no page of a stranger may write through a visitor's browser.

    Raises:
        HttpError: 403, the page is of an origin that is not allowed.
    """
    from_here(headers, origins)
    given = MutableHeaders(headers=dict(headers.items()))
    given["content-type"] = "application/json"
    # a key that no header can hold is none of ours
    if (key := parse_qs(scope["query_string"].decode("latin-1")).get("key")) and key[0].isascii():
        given.setdefault("authorization", f"Bearer {key[0]}")
    return given
