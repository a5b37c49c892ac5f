"""The requests of each key, counted in Redis by all services together."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from recloop.store.redis import connect, failures

TIMEOUT = 2.0  # seconds to wait for an answer; no request waits so long
STALE = 3 * TIMEOUT  # seconds after which what has passed is not counted any more
_PACE = "recloop:pace:"
_log = logging.getLogger("recloop.store")

# One number per key, the time at which its bucket would be full again; the clock is that of Redis, the same for all.
# ARGV[1] is when the first of these requests passed, by that clock: a bucket has filled since. A question that lay
# unread for too long is not counted: who asked it was told so.
_COUNT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
local told, since = {string.format('%.6f', now)}, math.min(now, tonumber(ARGV[1]))
if now - since > tonumber(ARGV[2]) then return told end
for place, key in ipairs(KEYS) do
    local one, burst = tonumber(ARGV[4 * place - 1]), tonumber(ARGV[4 * place])
    local passed, asked = tonumber(ARGV[4 * place + 1]), tonumber(ARGV[4 * place + 2])
    local full = math.max(since, tonumber(redis.call('GET', key) or since)) + passed * one
    full = math.max(now, full)
    local fit = math.max(0, math.min(asked, math.floor((burst - (full - now)) / one + 1e-3)))
    full = full + fit * one
    redis.call('SET', key, string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000) + 1000)
    told[place + 1] = {fit, tostring(full - now)}
end
return told
"""


class Asked(NamedTuple):
    """What one service has of a key.

    Attributes:
        key: who asks.
        one: seconds in which one request becomes free again.
        burst: seconds' worth of requests that may come at once.
        passed: requests that were let pass and are to be counted, whatever there is room for.
        asked: requests that wait for an answer; those are counted that there is room for.
    """

    key: str
    one: float
    burst: float
    passed: int
    asked: int


class Counted(NamedTuple):
    """How many of those that asked may pass, and the seconds until the bucket of the key is full again."""

    fit: int
    full: float


class Pace:
    """Token buckets that all services share which name the same Redis.

    A bucket is one number, the time at which it would be full again (the generic cell rate algorithm of ITU-T I.371).

    Args:
        url: of Redis, as for ``Hot``.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self._client = connect(url, timeout)
        self._count: Callable[..., Any] = self._client.register_script(_COUNT)
        self._ahead: float | None = None  # seconds by which the clock of Redis is ahead of ours
        self._lost = False

    def count(self, batch: Sequence[Asked], since: float) -> list[Counted] | None:
        """Count requests of several keys at once; None where nobody counts them.

        Args:
            batch: of each key what is to be counted.
            since: seconds ago, at which the first of those passed that are told now.
        """
        words = [word for one in batch for word in one[1:]]
        # unknown before the first answer: then now, whatever Redis takes for that
        begin = 1e12 if self._ahead is None else time.monotonic() - since + self._ahead
        try:
            now, *found = self._count([_PACE + one.key for one in batch], [begin, STALE, *words])
        except failures() as error:
            self._say(type(error).__name__)
            return None
        self._ahead = float(now) - time.monotonic()
        if not found:
            self._say("it was away")
            return None
        self._say("")
        return [Counted(int(fit), float(full)) for fit, full in found]

    def _say(self, why: str) -> None:
        """Log a change."""
        if why and not self._lost:
            _log.warning("Redis counts no requests (%s): each process counts its own", why)
        elif self._lost and not why:
            _log.warning("Redis counts requests again")
        self._lost = bool(why)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
