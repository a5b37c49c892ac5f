"""The table of routes as an ASGI application: access, parsing, answers, problems, figures and the log, once for all."""

import logging
import re
import time
import traceback
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Route as Routed
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from recloop.app.serving import Serving
from recloop.errors import BusyError
from recloop.service import body
from recloop.service.access import Access
from recloop.service.observe import AccessLog, Observed
from recloop.service.pages import PAGES
from recloop.service.problems import MEDIA_TYPE, HttpError, problem, status_of
from recloop.service.route import Call, Page, Route
from recloop.service.routes import ROUTES
from recloop.store.ids import new_id

TABLE = (*ROUTES, *PAGES)
LIMIT = 1_000_000  # bytes of a body
UNMATCHED = "unmatched"

_log = logging.getLogger("recloop.service")
_encode = msgspec.json.Encoder().encode
_safe = re.compile(r"[\w.:-]{1,64}")

JSON = "application/json"
COMMON = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class Application:
    """The service.

    Args:
        serving: what it can be asked to do.
        keys_required: whether each request needs an API key.
        access_log: one line per request goes there.
        limit: bytes that a body may have.
    """

    def __init__(
        self, serving: Serving, *, keys_required: bool, access_log: AccessLog | None = None, limit: int = LIMIT
    ) -> None:
        self.observed = Observed(lambda: serving.store.pending)
        self._log = access_log or AccessLog(None)
        access = Access(serving.store.keys, required=keys_required)
        endpoints = [Endpoint(route, serving, self.observed, access, limit) for route in TABLE]
        # most requests name one of these paths: a look into a dictionary instead of a walk over patterns
        self._direct = {(e.route.method, e.route.path): e for e in endpoints if "{" not in e.route.path}
        self._router = Router(_routed(endpoints), redirect_slashes=False, default=_not_found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        start = time.perf_counter()
        headers = Headers(scope=scope)
        sent = headers.get("x-request-id", "")
        request = sent if _safe.fullmatch(sent) else new_id()
        status = 0
        scope["app"] = self  # Starlette then raises what it would else answer by itself

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *COMMON, (b"x-request-id", request.encode())]
            await send(message)

        try:
            scope["path_params"] = {}
            await self._direct.get((scope["method"], scope["path"]), self._router)(scope, receive, answer)
        except body.GoneError:
            status = 499  # nobody hears the answer: the number that nginx writes for it
        except Exception as error:
            known = HttpError(error.status_code, *_words(error, scope)) if isinstance(error, HTTPException) else error
            if status_of(known) == 500:
                _log.error("%s in request %s\n%s", type(error).__name__, request, _where(error))
            if status:
                raise
            await _refuse(known, request, answer, allow=_allow(error))
        finally:
            route = scope.get("recloop.route", UNMATCHED)
            seconds = time.perf_counter() - start
            method = scope["method"] if route != UNMATCHED else "ANY"
            self.observed.answered(method, route, status, seconds)
            self._log.write(
                request=request,
                method=method,
                route=route,
                status=status,
                milliseconds=round(seconds * 1e3, 3),
                key=scope.get("recloop.key", ""),
            )


class Endpoint:
    """One line of the table as an ASGI application."""

    def __init__(self, route: Route, serving: Serving, observed: Observed, access: Access, limit: int) -> None:
        self.route = route
        self._serving = serving
        self._observed = observed
        self._access = access
        self._limit = limit
        self._decoder = msgspec.json.Decoder(route.request) if route.request else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, parse, hand over, and answer."""
        route = self.route
        scope["recloop.route"] = route.path
        headers = Headers(scope=scope)
        key = scope["recloop.key"] = self._access.check(headers, route.scope)
        found: Any = None
        if self._decoder is not None:
            raw = await body.read(headers, receive, self._limit)
            found = route.parse(raw) if route.parse else body.decode(self._decoder, raw)
            if route.also and (scope_too := route.also(found)):
                self._access.check(headers, scope_too)
        given = await route.handler(Call(self._serving, self._observed, found, scope["path_params"], key))
        if isinstance(given, Page):
            more = [(b"content-security-policy", given.policy.encode())] if given.policy else []
            await _respond(send, route.status, given.media, given.content, more)
        else:
            await _respond(send, route.status, JSON, _encode(given))


def _routed(endpoints: Iterable[Endpoint]) -> list[Routed]:
    return [Routed(e.route.path, e, methods=[e.route.method], name=e.route.handler.__name__) for e in endpoints]


async def _respond(
    send: Send, status: int, media: str, content: bytes, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    headers = [(b"content-type", media.encode()), (b"content-length", str(len(content)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _refuse(error: BaseException, request: str, send: Send, allow: str) -> None:
    document = problem(error, request)
    more = []
    if document.status == 401:
        more.append((b"www-authenticate", b"Bearer"))
    if document.status in {408, 413}:
        more.append((b"connection", b"close"))  # the rest of the body is not read
    if document.status in {429, 503}:
        seconds = error.seconds if isinstance(error, BusyError) else 1
        more.append((b"retry-after", str(seconds).encode()))
    if allow:
        more.append((b"allow", allow.encode()))
    await _respond(send, document.status, MEDIA_TYPE, _encode(document), more)


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(404)


def _words(error: HTTPException, scope: Scope) -> tuple[str, ...]:
    """What to say of a path or method that the table does not have; what was sent may hold an id, so it is cut."""
    path = scope["path"][:100]
    if error.status_code == 405:
        return (f"{scope['method'][:20]} does not work on {path}",)
    return (f"there is nothing at {path}",)


def _allow(error: BaseException) -> str:
    return (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""


def _where(error: BaseException) -> str:
    """Where it happened, without the message: that may hold what a user sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
