"""The requests of keys, counted in Redis by all services together."""

import logging
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from recloop.store import pace as module
from recloop.store.pace import Asked, Counted, Pace

SLOW = 1000.0  # seconds for one request: so long that the test's own time does not matter


@pytest.fixture
def make(redis_server) -> Iterator[Callable[..., Pace]]:
    made: list[Pace] = []

    def new(timeout: float = 5.0) -> Pace:
        made.append(Pace(redis_server.url, timeout))
        return made[-1]

    yield new
    for one in made:
        one.close()


def asked(number: int, key: str = "shop", passed: int = 0, one: float = SLOW) -> Asked:
    return Asked(key, one, 5 * one, passed, number)


def told(counted: list[Counted] | None) -> list[tuple[int, int]]:
    """How many fit, and how many requests are missing until the bucket is full again."""
    assert counted is not None
    return [(fit, round(full / SLOW)) for fit, full in counted]


def test_one_bucket_for_all_services(make: Callable[..., Pace]) -> None:
    """Five requests fit, whichever service they come to; those that were let pass count whatever there is room for."""
    one, other = make(), make()
    assert told(one.count([asked(2)], 0.0)) == [(2, 2)]
    assert told(other.count([asked(1), asked(9, "another")], 0.0)) == [(1, 3), (5, 5)]
    assert told(one.count([asked(9)], 0.0)) == [(2, 5)]
    assert told(other.count([asked(1, passed=3), asked(1, "another", passed=-2)], 0.0)) == [(0, 8), (1, 4)]


def test_a_bucket_has_filled_since_they_passed(make: Callable[..., Pace]) -> None:
    here = make()
    here.count([asked(0)], 0.0)  # knows the clock of Redis from now on
    (at_once,) = here.count([asked(0, "a", passed=100, one=0.1)], 0.0) or ()
    (since,) = here.count([asked(0, "b", passed=100, one=0.1)], 4.0) or ()
    assert at_once.full == pytest.approx(10.0, abs=0.5)
    assert since.full == pytest.approx(6.0, abs=0.5)


def test_a_question_that_lay_unread_for_too_long_is_not_counted(
    make: Callable[..., Pace], redis_server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that was stopped and goes on reads what was sent to it meanwhile; who sent it was told long ago."""
    monkeypatch.setattr(module, "STALE", 0.3)
    here, other = make(0.1), make()
    assert told(other.count([asked(1)], 0.0)) == [(1, 1)]
    while here.count([asked(1)], 0.0) is None:  # a busy machine
        time.sleep(0.1)
    before = other.count([asked(0)], 0.0)
    redis_server.process.send_signal(signal.SIGSTOP)
    caplog.set_level(logging.WARNING, "recloop.store")
    assert [here.count([asked(0, passed=1)], 0.0) for _ in range(3)] == [None] * 3
    time.sleep(0.4)
    redis_server.process.send_signal(signal.SIGCONT)
    assert told(other.count([asked(0)], 0.0)) == told(before)
    while here.count([asked(0)], 0.0) is None:
        time.sleep(0.1)
    assert [record.message for record in caplog.records] == [
        "Redis counts no requests (TimeoutError): each process counts its own",
        "Redis counts requests again",
    ]
