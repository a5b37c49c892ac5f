"""Marks of users in Redis, which may be lost at any moment without answering wrongly."""

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from recloop.store.pace import Pace
from recloop.store.redis import connect, failures

LIFE = 60  # seconds that a mark lives: what Redis forgets on a failover is put right after that
PAUSE = 1.0  # seconds in which a Redis that did not answer is not asked again
TIMEOUT = 0.05  # seconds to wait for an answer: the store knows all that is asked here
_ERA, _MARK = "recloop:era", "recloop:mark:"
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


class Hot:
    """Marks of users, shared by all services that name the same Redis.

    A user's mark changes with each event that a service takes, and is never the same again: who remembers a user's
    history together with the mark knows by one look whether it is still true. Nothing else is kept: histories are read
    from the store. Where Redis is lost, marks are unknown and the store is asked each time; where it comes back empty,
    all marks are new; where a service could not change a mark, it changes all of them as soon as it can.

    Attributes:
        pace: counts the requests of keys.

    Args:
        url: ``redis://host:6379/0``, ``rediss://…`` or ``unix:///path/of.sock``.
        timer: seconds, for how long a Redis that did not answer is left alone.

    Raises:
        ExtraError: the extra ``redis`` is not installed.
        SettingError: the URL is not one of Redis.
    """

    def __init__(self, url: str, timer: Callable[[], float] = time.monotonic) -> None:
        self._client = connect(url, TIMEOUT)
        self._read: Callable[..., Any] = self._client.register_script(_READ)
        self.pace = Pace(url)
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

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
        self.pace.close()

    def _ask(self, work: Callable[[], T]) -> T | None:
        if self._timer() < self._resumes:
            return None
        try:
            if self._owes:
                self._client.set(_ERA, secrets.token_bytes(8))
                self._owes = False
            return work()
        except failures() as error:
            self._resumes = self._timer() + PAUSE
            _log.warning("Redis does not answer (%s): the store is asked instead", type(error).__name__)
            return None
