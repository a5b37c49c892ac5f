"""Rates over several processes: never looser while Redis answers, however slowly, and never slow where it is gone."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from recloop.service.rates import BURST
from recloop.service.shared_rates import PATIENCE, SharedRates
from recloop.store.pace import Pace


@pytest.fixture
def two(redis_server) -> Iterator[list[SharedRates]]:
    """Two processes' worth, each with its own connection."""
    with closing(Pace(redis_server.url)) as one, closing(Pace(redis_server.url)) as other:
        yield [SharedRates(one), SharedRates(other)]


async def flood(rates: list[SharedRates], rate: float, seconds: float, key: str = "shop") -> tuple[int, list[float]]:
    """How many pass of more than may, and how long each waited for its answer."""
    passed, waits, until = 0, [], time.monotonic() + seconds
    number = 0
    while (start := time.monotonic()) < until:
        passed += await rates[number % len(rates)].wait(key, rate) == 0.0
        waits.append(time.monotonic() - start)
        number += 1
        await asyncio.sleep(0.2 / rate)
    return passed, waits


def test_two_processes_let_pass_what_one_would(two: list[SharedRates]) -> None:
    async def both() -> list[float]:
        asked = [two[number % 2].wait("shop", 0.01) for number in range(8)]
        return await asyncio.gather(*asked, two[0].wait("free", float("inf")))

    *waits, free = asyncio.run(both())
    first, *others = sorted(waits)
    assert first == 0.0
    assert all(0 < wait <= 100 for wait in others)
    assert free == 0.0


def test_a_flood_over_two_processes_passes_as_over_one(two: list[SharedRates]) -> None:
    """Far from its limit a key passes without a question, and what passed is told: nothing is let pass twice."""
    rate, seconds = 50.0, 2.0
    passed, _ = asyncio.run(flood(two, rate, seconds))
    assert rate * seconds <= passed <= rate * (seconds + BURST) + 10


def test_a_redis_that_takes_a_fifth_of_a_second_loosens_nothing(redis_server) -> None:
    """What passes too much before the first answer is made up for; without Redis twice as much would pass."""
    rate, seconds = 50.0, 5.0
    with late(redis_server.url, 0.2) as url, closing(Pace(url)) as one, closing(Pace(url)) as other:
        passed, waits = asyncio.run(flood([SharedRates(one), SharedRates(other)], rate, seconds))
    assert passed <= rate * (seconds + BURST) + 2 * rate * 0.25  # and what passed since the last answers
    assert passed >= rate * seconds
    assert sum(wait > PATIENCE / 2 for wait in waits) <= 4, "who found out waited, and nobody after"


def test_a_redis_that_is_stopped_costs_one_wait_and_counts_again_later(two: list[SharedRates], redis_server) -> None:
    async def story() -> tuple[list[float], tuple[int, list[float]], list[float]]:
        before = [await two[0].wait("shop", 0.01), await two[1].wait("shop", 0.01)]
        redis_server.process.send_signal(signal.SIGSTOP)
        during = await flood(two, 20.0, 1.0, "other")
        redis_server.process.send_signal(signal.SIGCONT)
        until = time.monotonic() + 30
        while not all(one._prompt for one in two) and time.monotonic() < until:
            await asyncio.sleep(0.05)
            await asyncio.gather(*(one.wait("probe", 1000.0) for one in two))
        return before, during, [await two[1].wait("shop", 0.01), await two[0].wait("shop", 0.01)]

    before, (passed, waits), after = asyncio.run(story())
    assert before[0] == 0.0
    assert before[1] > 0
    assert sum(wait > PATIENCE / 2 for wait in waits) <= 2, "each process waits once"
    assert max(waits) < 1.0
    assert passed > 20 * (BURST + 1), "each counts for itself"
    assert all(90 < wait <= 100 for wait in after), "what passed before is known to both"


def test_a_redis_that_is_gone_costs_nothing_and_each_knows_what_it_was_told(
    two: list[SharedRates], redis_server
) -> None:
    async def story() -> list[float]:
        first = await two[0].wait("shop", 0.01)
        redis_server.stop()
        return [
            first,
            await two[0].wait("shop", 0.01),
            await two[1].wait("shop", 0.01),
            await two[1].wait("shop", 0.01),
        ]

    first, known, unknown, again = asyncio.run(story())
    assert (first, unknown) == (0.0, 0.0)
    assert known > 0, "what Redis told last is known"
    assert again > 0


@contextmanager
def late(url: str, seconds: float) -> Iterator[str]:
    """A Redis whose answers take longer: a door before it that holds each of them back."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        door = threading.Thread(target=_accept, args=(listener, url.removeprefix("unix://"), seconds))
        door.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
        door.join()


def _accept(listener: socket.socket, path: str, seconds: float) -> None:
    with ExitStack() as stack, suppress(OSError):  # the end of the test
        while True:
            ours = stack.enter_context(listener.accept()[0])
            theirs = stack.enter_context(socket.socket(socket.AF_UNIX))
            theirs.connect(path)
            for source, target, wait in ((ours, theirs, 0.0), (theirs, ours, seconds)):
                threading.Thread(target=_pass_on, args=(source, target, wait), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, wait: float) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            time.sleep(wait)
            target.sendall(data)
