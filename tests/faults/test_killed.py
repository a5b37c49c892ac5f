"""``kill -9`` at random moments: what was acknowledged is there, once; what was moved is moved, once."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from recloop.store import Store
from recloop.types import Event

from .shop import DAY, Service, Tally, batch

TRIES = pytest.mark.parametrize("tries", [3, pytest.param(50, marks=pytest.mark.faults)])
DAYS, EACH = 12, 150


@TRIES
def test_killed_during_ingest(
    start: Callable[..., Service], releases: dict[str, Path], tmp_path: Path, tally: Tally, tries: int
) -> None:
    """Three clients send batches, some of them twice, while the service is killed; another begins on the same store."""
    rng, acknowledged, sent = random.Random(5), set[str](), list[set[str]]()
    for turn in range(tries):
        service = start(tmp_path / "shop.db", releases["one"] if turn == 0 else None)

        first = threading.Event()

        def post(worker: int, turn: int = turn, service: Service = service, first: threading.Event = first) -> None:
            mine = random.Random(turn * 10 + worker)
            with service.client() as client:
                for number in range(10_000):
                    body = batch(f"{turn}-{worker}-{number}", mine.randrange(1, 40))
                    ids = {event["id"] for event in body["events"]}
                    sent.append(ids)
                    for again in range(mine.randrange(1, 3)):
                        try:
                            answer = client.post("/v1/events", json=body)
                        except httpx.TransportError:
                            return
                        told = answer.json()
                        new = (len(ids), 0) if again == 0 else (0, len(ids))
                        tally.expect((told["accepted"], told["duplicates"]) == new, told)
                        acknowledged.update(ids)
                        first.set()

        workers = [threading.Thread(target=post, args=(worker,)) for worker in range(3)]
        for worker in workers:
            worker.start()
        if turn % 3:  # else it may have answered nothing yet
            first.wait(60)
        time.sleep(rng.random() * 0.5)
        service.process.send_signal(signal.SIGKILL)
        for worker in workers:
            worker.join()
        service.kill()
        tally.tries += 1
    with Store(tmp_path / "shop.db") as store:
        found = store.events()["id"].to_list()
    assert acknowledged
    tally.kept(acknowledged, found)
    there = set(found)
    for ids in sent:  # a batch that was cut off is there whole or not at all
        tally.expect(len(ids & there) in {0, len(ids)}, f"{len(ids & there)} of {len(ids)}")


ARCHIVING = """
import sys
from recloop.store import Store, archive
archive.CHUNK = 60
archive.MERGE = 2
with Store(sys.argv[1], clock=lambda: float(sys.argv[2])) as store:
    print("go", flush=True)
    store.archive.run(hot_days=0)
"""


@TRIES
def test_killed_during_archive(tmp_path: Path, tally: Tally, tries: int) -> None:
    """The run is killed, while others write; then it is run again, and every row is there once."""
    rng, now = random.Random(6), (20_000 + DAYS) * DAY + 5
    with Store(tmp_path / "template.db", clock=lambda: now) as store:
        for day in range(DAYS):
            rows = [Event("ann", "i1", "view", (20_000 + day) * DAY + n, id=f"{day}-{n}") for n in range(EACH)]
            store.append_events(rows)
        rows = store.events()
    longest = 0.5
    for turn in range(tries):
        folder = tmp_path / str(turn)
        folder.mkdir()
        shutil.copy(tmp_path / "template.db", folder / "shop.db")
        acknowledged = set(rows["id"].to_list())
        words = [sys.executable, "-c", ARCHIVING, str(folder / "shop.db"), str(now)]
        process = subprocess.Popen(
            words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"go\n"
        began, moment = time.monotonic(), rng.random() * longest
        with Store(folder / "shop.db", clock=lambda: now, timeout=60) as store:
            number = 0
            while time.monotonic() - began < moment and process.poll() is None:
                late = [Event("bob", "i2", "view", (20_000 + number % DAYS) * DAY, id=f"late-{number}"), rows_event(0)]
                told = store.append_events(late)
                tally.expect(told == (1, 1), told)
                acknowledged.add(f"late-{number}")
                number += 1
            if process.poll() is not None:  # it was quicker than thought
                longest = time.monotonic() - began
            process.kill()
            process.communicate()
            store.archive.verify()
            tally.kept(acknowledged, store.events()["id"].to_list())
            store.archive.run(hot_days=0)
            tally.kept(acknowledged, store.events()["id"].to_list())
            tally.expect(store.archive.strays() == store.archive.verify() == [], "files that are not whole")
            tally.expect(store.events(user="ann").equals(rows), "rows that differ")
            told = store.append_events([rows_event(number) for number in range(EACH)])
            tally.expect(told == (0, EACH), told)
        shutil.rmtree(folder)
        tally.tries += 1


def rows_event(number: int) -> Event:
    """One that was sent before, and may have been archived meanwhile."""
    return Event("ann", "i1", "view", 20_000 * DAY + number, id=f"0-{number}")
