"""Who may call: API keys and their scopes. Every route is closed unless the table says ``PUBLIC``."""

import asyncio
import ipaddress
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache

from starlette.datastructures import Headers

from recloop.errors import AccessError, ScopeError, StoreError
from recloop.service.problems import HttpError
from recloop.service.rates import Rates
from recloop.service.shared_rates import SharedRates
from recloop.store.hot import Hot
from recloop.store.keys import KeyRecord, Keys

PUBLIC = ""  # the scope of what everybody may see
FRESH = 2.0  # seconds that a key is believed without asking the store again
PATIENCE = 5.0  # seconds that a request waits for the store to tell of its key
NOTED = 60.0  # seconds in which the use of a key is noted once


@lru_cache(maxsize=256)
def loopback(host: str) -> bool:
    """Whether a host name or address is this machine and nothing else.

    >>> [loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Says whose request it is, or refuses it.

    Args:
        keys: the keys of the store.
        required: whether a key is needed; where it is not, only this machine is answered.
        rate: requests a second that each key may send which has no rate of its own; None for no limit.
        timer: seconds, for how long a key is believed.
        hot: what services share, and count the requests of a key in together; None where this one is alone.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        required: bool,
        rate: float | None = None,
        timer: Callable[[], float] = time.monotonic,
        hot: Hot | None = None,
    ) -> None:
        self._keys = keys
        self._required = required
        self._timer = timer
        self._rates = Rates(rate, timer)
        self._shared = None if hot is None else SharedRates(hot.pace, timer)
        self._believed: dict[str, tuple[float, KeyRecord | None]] = {}
        self._noted: dict[str, float] = {}
        self._asked: dict[str, asyncio.Future[KeyRecord | None]] = {}
        self._thread = ThreadPoolExecutor(1, "recloop-keys")

    async def admit(self, headers: Headers, scope: str) -> str:
        """As ``check``, and the request counts against the rate of its key.

        Raises:
            HttpError: 421, see ``check``; 429, the key sends more than it may.
        """
        key = await self._known(headers, scope)
        if key is None:
            return ""
        shared, allowed = self._shared, self._rates.allowed(key.rate)
        if wait := self._rates.wait(key.id, key.rate) if shared is None else await shared.wait(key.id, allowed):
            raise HttpError(
                429,
                f"the key '{key.name}' sends too many requests",
                allowed=f"it may send {allowed:g} a second",
                advice=f"wait {math.ceil(wait)} s, and send more events in one batch",
                retry=wait,
            )
        return key.id

    async def check(self, headers: Headers, scope: str) -> None:
        """Refuse a request without a key that opens ``scope``, where one is needed.

        Raises:
            AccessError: a key is needed or the key is unknown.
            ScopeError: the key lacks the scope.
            HttpError: 421, the request names another host than this machine.
            StoreError: the store does not tell.
        """
        await self._known(headers, scope)

    def close(self) -> None:
        """Let the threads go; nobody asks any more."""
        self._thread.shutdown(wait=False)
        if self._shared is not None:
            self._shared.close()

    async def _known(self, headers: Headers, scope: str) -> KeyRecord | None:
        sent = headers.get("authorization")
        if sent is None and (scope == PUBLIC or not self._required):
            if not self._required:
                _from_here(headers.get("host", ""))
            return None
        if scope == PUBLIC:
            return None
        if sent is None:
            raise AccessError("the request has no API key", advice="send the header Authorization: Bearer <key>")
        scheme, _, token = sent.partition(" ")
        key = await self._find(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise AccessError(
                "the API key is not known, has expired, or was revoked",
                advice="make one with: recloop keys create NAME --scope SCOPE",
            )
        if not key.allows(scope):
            raise ScopeError(
                f"the key '{key.name}' lacks the scope '{scope}'",
                allowed=f"it has: {', '.join(sorted(key.scopes))}",
                advice="use another key",
            )
        return key

    async def _find(self, token: str) -> KeyRecord | None:
        now = self._timer()
        believed = self._believed.get(token)
        if believed and now - believed[0] < FRESH:
            return believed[1]
        found = await self._look_up(token)
        if len(self._believed) > 10_000:  # a flood of guesses takes no memory
            self._believed.clear()
        self._believed[token] = (now, found)
        if found is not None and now - self._noted.get(found.id, -math.inf) >= NOTED:
            self._noted[found.id] = now
            with suppress(StoreError):  # too much waits to be written: this can wait longer
                self._keys.used(found.id)
        return found

    async def _look_up(self, token: str) -> KeyRecord | None:
        """Ask the store, once for all who wait for the same; off the event loop, for a store may not answer."""
        asked = self._asked.get(token)
        if asked is None:
            asked = asyncio.get_running_loop().run_in_executor(self._thread, self._keys.find, token)
            self._asked[token] = asked
            asked.add_done_callback(lambda found: self._told(token, found))
        try:
            return await asyncio.wait_for(asyncio.shield(asked), PATIENCE)
        except TimeoutError:
            raise StoreError(
                f"the store did not tell within {PATIENCE:g} s whether the key is known", advice="send it again"
            ) from None

    def _told(self, token: str, found: "asyncio.Future[KeyRecord | None]") -> None:
        self._asked.pop(token, None)
        if not found.cancelled():
            found.exception()  # whoever waits is told; where nobody does any more, asyncio would tell the log


def _from_here(host: str) -> None:
    """Refuse what a page of another site sends to this machine through the user's browser (DNS rebinding)."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if not loopback(name.strip("[]")):
        raise HttpError(
            421, f"the request is for the host '{name}'", allowed="without keys only this machine is served"
        )
