"""The table of routes as an ASGI application: access, parsing, answers, problems, figures and the log, once for all."""

import itertools
import logging
import math
import os
import re
import time
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Match, Router
from starlette.routing import Route as Routed
from starlette.types import Receive, Scope, Send

from recloop.app.serving import Serving
from recloop.dashboard import Dashboard
from recloop.errors import BusyError
from recloop.service import body, version
from recloop.service.access import PUBLIC, Access
from recloop.service.browser import as_request, from_here
from recloop.service.head import Head
from recloop.service.logs import REQUEST
from recloop.service.observe import AccessLog, Observed
from recloop.service.pages import PAGES
from recloop.service.problems import MEDIA_TYPE, HttpError, problem, status_of
from recloop.service.route import Call, Page, Route
from recloop.service.routes import ROUTES
from recloop.store.hot import Hot

TABLE = (*ROUTES, *PAGES)
LIMIT = 1_000_000  # bytes of a body
UNDER_WAY = 2_000  # requests that wait for an answer: beyond it others are refused, not kept in memory
UNMATCHED = "unmatched"

_log = logging.getLogger("recloop.service")
_encode = msgspec.json.Encoder().encode
_safe = re.compile(r"[\w.:-]{1,64}")

JSON = "application/json"
COMMON = (b"x-content-type-options", b"nosniff")
NO_STORE = (b"cache-control", b"no-store")
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
BROWSER = (
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class Application:
    """The service.

    Args:
        serving: what it can be asked to do.
        keys_required: whether each request needs an API key.
        observed: the figures; new ones where None.
        access_log: one line per request goes there.
        limit: bytes that a body may have.
        rate: requests a second of a key that has no rate of its own; None for no limit.
        origins: of pages that may send events.
        hot: what this service shares with others; None where it is alone.
    """

    def __init__(
        self,
        serving: Serving,
        *,
        keys_required: bool,
        observed: Observed | None = None,
        access_log: AccessLog | None = None,
        limit: int = LIMIT,
        rate: float | None = None,
        origins: frozenset[str] = frozenset(),
        hot: Hot | None = None,
    ) -> None:
        self.observed = observed or Observed(lambda: serving.store.pending)
        self._log = access_log or AccessLog(None)
        self._mine, self._asked = os.urandom(8).hex(), itertools.count()  # of the ids of requests
        access = Access(serving.store.keys, required=keys_required, rate=rate, hot=hot)
        endpoints = [Endpoint(route, serving, self.observed, access, limit, origins) for route in TABLE]
        self._dashboard = Dashboard(serving)
        self._access = access
        # most requests name one of these paths: a look into a dictionary instead of a walk over patterns
        self._direct = {(e.route.method, e.route.path): e for e in endpoints if "{" not in e.route.path}
        self._router = Router(_routed(endpoints), redirect_slashes=False, default=_not_found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = scope["recloop.head"] = Head(scope)
        sent = headers.get("x-request-id")
        request = sent if sent and _safe.fullmatch(sent) else f"{self._mine}{next(self._asked):012x}"
        REQUEST.set(request)
        if not self.observed.traces:
            await self._answer(scope, receive, send, request, None)
            return
        told: dict[str, Any] = {}
        with self.observed.traces.request(headers, told):
            await self._answer(scope, receive, send, request, told)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request: str, told: dict[str, Any] | None
    ) -> None:
        start = time.perf_counter()
        status = 0
        scope["app"] = self  # Starlette then raises what it would else answer by itself

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], COMMON, (b"x-request-id", request.encode())]
            await send(message)

        self.observed.under_way += 1
        try:
            self._let_in(scope)
            scope["path_params"] = {}
            if f"{scope['path']}/".startswith("/dashboard/"):
                # the host must be ours; who it is, its sessions tell
                await self._access.check(scope["recloop.head"], PUBLIC)
                await self._dashboard(scope, receive, answer)
            else:
                await self._direct.get((scope["method"], scope["path"]), self._router)(scope, receive, answer)
        except body.GoneError:
            status = 499  # nobody hears the answer: the number that nginx writes for it
        except Exception as error:  # noqa: BLE001  it is told in the log, without what a user sent
            allowed = self._allowed(scope) if isinstance(error, HTTPException) and error.status_code == 405 else ""
            known = _unmatched(error, scope, allowed) if isinstance(error, HTTPException) else error
            if status_of(known) == 500:
                _log.error("%s in request %s\n%s", type(error).__name__, request, where(error))
            if not status:  # else the answer is cut off, which the client sees; raising would put its message in a log
                await _refuse(known, request, answer, allow=allowed)
        finally:
            route = scope.get("recloop.route", UNMATCHED)
            seconds = time.perf_counter() - start
            method = scope["method"] if route != UNMATCHED else "ANY"
            self.observed.under_way -= 1
            self.observed.answered(method, route, status, seconds)
            if told is not None:
                told |= {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "recloop.request": request,
                }
            self._log.write(request, method, route, status, seconds, scope.get("recloop.key", ""))

    def close(self) -> None:
        """Write what of the log is put aside, and let threads go."""
        self._log.flush()
        self._access.close()

    def _let_in(self, scope: Scope) -> None:
        """Refuse a request where too many wait already; what asks for the service's health is always answered."""
        if self.observed.under_way > UNDER_WAY and not scope["path"].startswith("/health/"):
            advice = "send again in a second"
            raise HttpError(429, f"{UNDER_WAY} requests wait for an answer already", advice=advice, retry=1.0)

    def _allowed(self, scope: Scope) -> str:
        """The methods that a path takes: one path may stand in several lines of the table."""
        routes = [one for one in self._router.routes if isinstance(one, Routed)]
        found = [one.methods or () for one in routes if one.matches(scope)[0] is not Match.NONE]
        return ", ".join(sorted({method for methods in found for method in methods}))


class Endpoint:
    """One line of the table as an ASGI application."""

    def __init__(
        self,
        route: Route,
        serving: Serving,
        observed: Observed,
        access: Access,
        limit: int,
        origins: frozenset[str] = frozenset(),
    ) -> None:
        self.route = route
        self._serving = serving
        self._observed = observed
        self._access = access
        self._limit = limit
        self._origins = origins
        self._decoder = msgspec.json.Decoder(route.request) if route.request else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, parse, hand over, and answer."""
        route = self.route
        scope["recloop.route"] = route.path
        headers = scope["recloop.head"]
        version.check(headers)
        if route.from_page:
            headers = as_request(scope, headers, self._origins)
        key = scope["recloop.key"] = await self._access.admit(headers, route.scope)
        if not key and route.scope and not route.from_page:
            from_here(headers, self._origins)  # no page of a stranger may act through a visitor's browser
        found: Any = None
        if self._decoder is not None:
            raw = await body.read(headers, receive, self._limit, arrived=scope.get(body.ARRIVED, False))
            found = route.parse(raw) if route.parse else body.decode(self._decoder, raw)
            if route.also and (scope_too := route.also(found)):
                await self._access.check(headers, scope_too)
        given = await route.handler(Call(self._serving, self._observed, found, scope["path_params"], key))
        if isinstance(given, Page):
            more = _guarded(given) if given.media.startswith("text/html") else []
            more.append((b"cache-control", given.cache.encode()) if given.cache else NO_STORE)
            await _respond(send, route.status, given.media, given.content, more)
        else:
            await _respond(send, route.status, JSON, _encode(given))


def _routed(endpoints: Iterable[Endpoint]) -> list[Routed]:
    # the id of an item may hold slashes
    paths = {e: e.route.path.replace("{item}", "{item:path}") for e in endpoints}
    return [Routed(path, e, methods=[e.route.method], name=e.route.handler.__name__) for e, path in paths.items()]


def _guarded(page: Page) -> list[tuple[bytes, bytes]]:
    """The headers of a page for browsers: it loads what its policy names, and nothing where it names nothing."""
    return [(b"content-security-policy", (page.policy or NOTHING).encode()), *BROWSER]


async def _respond(
    send: Send, status: int, media: str, content: bytes, more: Iterable[tuple[bytes, bytes]] = (NO_STORE,)
) -> None:
    headers = [(b"content-type", media.encode()), (b"content-length", b"%d" % len(content)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _wait(error: BaseException) -> int:
    """Seconds after which to ask again."""
    if isinstance(error, BusyError):
        return error.seconds
    return max(1, math.ceil(error.retry)) if isinstance(error, HttpError) else 1


async def _refuse(error: BaseException, request: str, send: Send, allow: str) -> None:
    document = problem(error, request)
    more = [NO_STORE]
    if document.status == 401:
        more.append((b"www-authenticate", b"Bearer"))
    if document.status in {408, 413}:
        more.append((b"connection", b"close"))  # the rest of the body is not read
    if document.status in {429, 503}:
        more.append((b"retry-after", str(_wait(error)).encode()))
    if allow:
        more.append((b"allow", allow.encode()))
    await _respond(send, document.status, MEDIA_TYPE, _encode(document), more)


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(404)


def _unmatched(error: HTTPException, scope: Scope, allowed: str) -> HttpError:
    """What to say of a path or method that the table does not have; what was sent may hold an id, so it is cut."""
    path = scope["path"][:100]
    if error.status_code == 405:
        return HttpError(405, f"{scope['method'][:20]} does not work on {path}", advice=f"use {allowed}")
    close = get_close_matches(path, [route.path for route in TABLE], n=1, cutoff=0.8)
    advice = f"Did you mean {close[0]}?" if close else "the routes are listed at /docs"
    return HttpError(error.status_code, f"there is nothing at {path}", advice=advice)


def where(error: BaseException) -> str:
    """Where it happened, without the message: that may hold what a user sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
