"""The dashboard as an ASGI application: sessions, forms that only its own pages can send, and one table of pages."""

import asyncio
import hashlib
import hmac
import logging
import math
import re
import secrets
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from recloop.app.serving import Serving
from recloop.dashboard import page
from recloop.dashboard.memory import Memory
from recloop.dashboard.table import VIEWS
from recloop.dashboard.visit import Sent, Shown, View, Visit
from recloop.errors import RecloopError
from recloop.store.accounts import LASTS, Account

PREFIX = "/dashboard"
LOGIN = f"{PREFIX}/login"
DEMO = "recloop demo"  # who acts in a store of made-up users
BODY = 65_536  # bytes of a form
PATIENCE = 30.0  # seconds for it to arrive

_log = logging.getLogger("recloop.dashboard")


class Dashboard:
    """Answers everything below ``/dashboard``. Without a session there is nothing but the page where one logs in.

    Args:
        serving: what the pages show and change.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._memory = Memory()
        self._hashing = asyncio.Semaphore(2)  # argon2 takes 64 MiB for each
        self._views = [(view, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]{1,200})", view.path))) for view in VIEWS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers, path = Headers(scope=scope), scope["path"].rstrip("/") or PREFIX
        if (asset := page.asset(path)) is not None and scope["method"] in {"GET", "HEAD"}:
            scope["recloop.route"] = path
            await _respond(send, 200, asset.content, [(b"content-type", asset.media), (b"cache-control", b"no-cache")])
            return
        found = [(view, match) for view, shape in self._views if (match := shape.fullmatch(path))]
        scope["recloop.route"] = found[0][0].path if found else f"{PREFIX}/unmatched"
        token = _cookie(headers)
        account = await asyncio.to_thread(self._serving.store.accounts.session, token) if token else None
        mine = [(view, match) for view, match in found if view.method == scope["method"]]
        try:
            if not mine or not self._may(mine[0][0], account):
                await self._turned_away(send, headers, bool(found), bool(mine), account)
                return
            view, match = mine[0]
            form: Mapping[str, str] = {}
            if view.method == "POST":
                form = await _form(headers, receive)
                if not _own(headers) or not hmac.compare_digest(form.get("csrf", ""), _csrf(token)):
                    await self._error(send, 403, "This form is not from this page, or is too old.", account, token)
                    return
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            if view.path == LOGIN and account is not None:
                await _respond(send, 303, b"", [(b"location", PREFIX.encode())])
                return
            if view.path == LOGIN:
                await self._entrance(scope, headers, send, token, query, form)
                return
            visit = Visit(
                self._serving,
                self._memory,
                account,
                match.groupdict(),
                query,
                form,
                _csrf(token),
                token,
                self._serving.now(),
            )
            given = await asyncio.to_thread(view.handler, visit)
            if view.method == "POST":
                self._memory.forget()
            await self._given(send, headers, given, visit, view)
        except RecloopError as error:
            await self._error(send, error.status, str(error), account, token, view.menu)
        except TimeoutError:  # before what nobody expected, which the service tells its log
            said = "The form did not arrive in time. Send it again."
            await self._error(send, 408, said, account, token, view.menu)
        except Exception:
            await self._error(send, 500, "This page met an error that nobody expected. The log has it.", account, token)
            raise

    # ---- below

    @staticmethod
    def _may(view: View, account: Account | None) -> bool:
        if view.role == "anybody":
            return True
        return account is not None and (view.role == "viewer" or account.operates)

    async def _turned_away(
        self, send: Send, headers: Headers, known: bool, method: bool, account: Account | None
    ) -> None:
        """Strangers learn nothing of what there is: every address leads them to the login."""
        token = _cookie(headers)
        if account is None:
            await _respond(send, 303, b"", [(b"location", LOGIN.encode())])
        elif not known:
            await self._error(send, 404, "There is no such page.", account, token)
        elif not method:
            await self._error(send, 405, "This page does not take that method.", account, token)
        else:
            await self._error(send, 403, "Your role is viewer: it reads, and changes nothing. Ask an operator.",
                              account, token)  # fmt: skip

    async def _entrance(
        self,
        scope: Scope,
        headers: Headers,
        send: Send,
        token: str,
        query: Mapping[str, str],
        form: Mapping[str, str],
    ) -> None:
        """The page where one logs in; its form has a token of its own, so that nobody is logged in as somebody else."""
        said, status = "", 200
        if scope["method"] == "POST":
            name, address = form.get("name", "").strip()[:100], (scope.get("client") or ("",))[0]
            attempts, who = self._serving.store.accounts.attempts, f"name {name}"
            # behind a proxy all have one address, and one who guesses must not shut the others out at once
            attempt = await asyncio.to_thread(attempts.begin, {who: 5, f"address {address}": 50})
            if attempt.wait:
                said, status = f"Too many tries. Wait {math.ceil(attempt.wait / 60)} minutes.", 429
            else:
                async with self._hashing:
                    made = await asyncio.to_thread(self._serving.store.accounts.login, name, form.get("password", ""))
                if made is not None:
                    await asyncio.to_thread(attempts.fits, attempt, who)
                    await _respond(send, 303, b"", [(b"location", PREFIX.encode()), _keep(headers, made)])
                    return
                said, status = "Name and password do not fit.", 401
        fresh = token if token.startswith("anon-") else f"anon-{secrets.token_urlsafe(24)}"
        empty = not await asyncio.to_thread(self._serving.store.accounts.all)
        values = {"said": said, "empty": empty, "bye": query.get("done") == "bye", "csrf": _csrf(fresh)}
        text = page.render(
            "login.html", values, title="Log in", account=None, csrf=_csrf(fresh), menu="", now=time.time()
        )
        await _respond(send, status, text, [*page.HEADERS, _keep(headers, fresh)])

    async def _given(self, send: Send, headers: Headers, given: Shown | Sent, visit: Visit, view: View) -> None:
        if isinstance(given, Sent):
            to = given.to + (f"?done={given.done}" if given.done else "")
            more = [(b"location", to.encode())]
            if given.cookie is not None:
                more.append(_keep(headers, given.cookie))
            await _respond(send, 303, b"", more)
            return
        simulated = self._memory.ask("simulated", lambda: self._serving.store.audit.acted(DEMO))
        values = {**given.values, "simulation": simulated, "done": page.DONE.get(visit.query.get("done", ""), "")}
        text = await asyncio.to_thread(
            page.render, given.template, values,
            title=given.title, account=visit.account, csrf=visit.csrf, menu=view.menu, now=visit.now,
        )  # fmt: skip
        await _respond(send, given.status, text, list(page.HEADERS))

    async def _error(
        self, send: Send, status: int, sentence: str, account: Account | None, token: str, menu: str = ""
    ) -> None:
        if status >= 500:
            _log.error("a page of the dashboard answered %d", status)
        text = page.render(
            "error.html", {"sentence": sentence}, title="That did not work",
            account=account, csrf=_csrf(token), menu=menu, now=time.time(),
        )  # fmt: skip
        await _respond(send, status, text, list(page.HEADERS))


def _secure(headers: Headers) -> bool:
    """Whether a proxy with TLS stands before us; a liar only makes his own cookie stricter."""
    return headers.get("x-forwarded-proto", "").partition(",")[0].strip() == "https"


def _keep(headers: Headers, token: str) -> tuple[bytes, bytes]:
    """The header with which a browser keeps a token, or lets it go where it is empty."""
    name = "__Host-recloop" if _secure(headers) else "recloop"
    age = 0 if not token else int(LASTS)
    more = "; Secure" if _secure(headers) else ""
    return b"set-cookie", f"{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{more}".encode()


def _cookie(headers: Headers) -> str:
    name = "__Host-recloop" if _secure(headers) else "recloop"
    try:
        jar = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value[:200] if name in jar else ""


def _csrf(token: str) -> str:
    """What only a page that was made for this session can know."""
    return hmac.new(token.encode(), b"recloop dashboard form", hashlib.sha256).hexdigest()


def _own(headers: Headers) -> bool:
    """Whether the browser says that the form is from a page of ours; old ones say nothing."""
    return headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}


async def _form(headers: Headers, receive: Receive) -> dict[str, str]:
    if headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return {}
    raw, more = b"", True
    async with asyncio.timeout(PATIENCE):
        while more and len(raw) <= BODY:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                return {}
            raw, more = raw + message.get("body", b""), message.get("more_body", False)
    if len(raw) > BODY:
        return {}
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return {}


async def _respond(send: Send, status: int, content: bytes, more: list[tuple[bytes, bytes]]) -> None:
    if not any(name == b"cache-control" for name, _ in more):
        more = [*more, (b"cache-control", b"no-store")]
    await send(
        {"type": "http.response.start", "status": status,
         "headers": [*more, (b"content-length", str(len(content)).encode())]}
    )  # fmt: skip
    await send({"type": "http.response.body", "body": content})
