"""What several services share in Redis, and may lose at any moment without answering wrongly."""

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from recloop.errors import ExtraError, SettingError

LIFE = 60  # seconds that a mark lives: what Redis forgets on a failover is put right after that
PAUSE = 1.0  # seconds in which a Redis that did not answer is not asked again
TIMEOUT = 0.05  # seconds to wait for an answer: the store knows all that is asked here
_ERA, _MARK, _PACE = "recloop:era", "recloop:mark:", "recloop:pace:"
_log = logging.getLogger("recloop.store")
T = TypeVar("T")

_READ = """
local era = redis.call('GET', KEYS[1])
if not era then era = ARGV[1]; redis.call('SET', KEYS[1], era) end
local marks = {}
for place = 2, #KEYS do
    local mark = redis.call('GET', KEYS[place])
    if not mark then mark = ARGV[1]; redis.call('SET', KEYS[place], mark, 'EX', ARGV[2]) end
    marks[place - 1] = era .. mark
end
return marks
"""
# one number per key, the time at which its bucket would be full again; the clock is that of Redis, the same for all
_WAIT = """
local clock = redis.call('TIME')
local now, one, burst = clock[1] + clock[2] / 1e6, tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now)) + one
local late = full - now - math.max(burst, one)
if late > one * 1e-3 then return tostring(late) end
redis.call('SET', KEYS[1], string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000) + 1000)
return '0'
"""


class Hot:
    """Marks of users and the pace of keys, shared by all services that name the same Redis.

    A user's mark changes with each event that a service takes, and is never the same again: who remembers a user's
    history together with the mark knows by one look whether it is still true. Nothing else is kept: histories are read
    from the store. Where Redis is lost, marks are unknown and the store is asked each time; where it comes back empty,
    all marks are new; where a service could not change a mark, it changes all of them as soon as it can.

    Args:
        url: ``redis://host:6379/0``, ``rediss://…`` or ``unix:///path/of.sock``.
        timer: seconds, for how long a Redis that did not answer is left alone.

    Raises:
        ExtraError: the extra ``redis`` is not installed.
        SettingError: the URL is not one of Redis.
    """

    def __init__(self, url: str, timer: Callable[[], float] = time.monotonic) -> None:
        try:
            import redis
        except ImportError as error:
            raise ExtraError.of("what services share in Redis", "redis") from error
        try:
            self._client: Any = redis.Redis.from_url(
                url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=None
            )
        except ValueError as error:
            raise SettingError(
                f"'{url.partition('@')[2] or url}' is no URL of Redis", allowed="redis://host:6379/0 is one"
            ) from error
        self._failures = (redis.RedisError, OSError)
        self._read = self._client.register_script(_READ)
        self._wait = self._client.register_script(_WAIT)
        self._timer = timer
        self._resumes = 0.0
        self._owes = False

    def read(self, users: Sequence[str]) -> list[bytes] | None:
        """The mark of each user; None where nobody knows them now."""
        fresh = secrets.token_bytes(8)  # alike for users that have none: what it was is never asked of two users
        found: list[bytes] | None = self._ask(
            lambda: self._read([_ERA, *(_MARK + one for one in users)], [fresh, LIFE])
        )
        return found

    def change(self, users: Iterable[str]) -> None:
        """Give users new marks, since what the store holds of them has changed."""

        def work() -> bool:
            pipe = self._client.pipeline(transaction=False)
            for user in users:
                pipe.set(_MARK + user, secrets.token_bytes(8), ex=LIFE)
            pipe.execute()
            return True

        if self._ask(work) is None:
            self._owes = True

    def forget(self, user: str) -> None:
        """Take the mark of a user away; who asks next gets a new one."""
        if self._ask(lambda: self._client.delete(_MARK + user)) is None:
            self._owes = True

    def wait(self, key: str, rate: float, burst: float) -> float | None:
        """0 where a request of a key may pass, and it is counted; else seconds to wait; None where nobody counts.

        Args:
            key: who asks.
            rate: requests a second.
            burst: seconds' worth of requests that may come at once.
        """
        found = self._ask(lambda: self._wait([_PACE + key], [1.0 / rate, burst]))
        return None if found is None else float(found)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def _ask(self, work: Callable[[], T]) -> T | None:
        if self._timer() < self._resumes:
            return None
        try:
            if self._owes:
                self._client.set(_ERA, secrets.token_bytes(8))
                self._owes = False
            return work()
        except self._failures as error:
            self._resumes = self._timer() + PAUSE
            _log.warning("Redis does not answer (%s): the store is asked instead", type(error).__name__)
            return None
