"""Many at once: releases switched under load, two services on one store, clocks that jump, a day of traffic."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from recloop.app.serving import open_serving
from recloop.loop.promote import promote
from recloop.loop.release import load
from recloop.service.server import background
from recloop.store import Store
from recloop.types import Event, Request

from .shop import DAY, Service, Tally, batch


@pytest.mark.parametrize("tries", [20, pytest.param(100, marks=pytest.mark.faults)])
def test_concurrent_releases_and_rollbacks(releases: dict[str, Path], tmp_path: Path, tally: Tally, tries: int) -> None:
    """Every answer is of one release, whole; at the end the service answers from the one that the store says."""
    over, told = threading.Event(), []
    with (
        background(tmp_path / "shop.db", release=releases["one"], port=0, log=None) as server,
        Store(tmp_path / "shop.db") as store,
    ):
        store.releases.add("two", str(releases["two"]), "")

        def ask() -> None:
            with httpx.Client(base_url=server.url, timeout=60) as client:
                while not over.is_set():
                    answer = client.post("/v1/recommend", json={"user": "u1", "k": 5})
                    tally.expect(answer.status_code == 200, answer.text)
                    one = answer.json()
                    pairs = {("one", "blend"), ("two", "popular")}
                    tally.expect((one["release"], one["policy"]) in pairs and len(one["items"]) == 5, answer.text)

        def switch(path: str) -> None:
            with httpx.Client(base_url=server.url, timeout=60) as client:
                answer = client.post(path)
                expected = {200, 409} if "rollback" in path else {200}
                tally.expect(answer.status_code in expected, answer.text)
                told.append(answer.status_code)

        paths = [
            ("/v1/releases/one/promote", "/v1/releases/two/promote", "/v1/releases/rollback")[n % 3]
            for n in range(tries)
        ]
        random.Random(3).shuffle(paths)
        asking = [threading.Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(switch, paths))
        over.set()
        for thread in asking:
            thread.join()
        tally.tries = len(told)
        active = store.releases.active()
        assert active is not None
        with httpx.Client(base_url=server.url, timeout=60) as client:
            answer = client.post("/v1/recommend", json={"user": "u1"}).json()
        tally.expect(answer["release"] == active.name, answer)
        actions = [line.action for line in store.audit.lines()]
        stack = actions.count("promote release") - actions.count("roll back release")
        tally.expect(stack >= 1, f"{stack} on the stack")


@pytest.mark.parametrize("tries", [2, pytest.param(20, marks=pytest.mark.faults)])
def test_two_services_on_one_file(
    start: Callable[..., Service], releases: dict[str, Path], tmp_path: Path, tally: Tally, tries: int
) -> None:
    """Both take the same batches at once: each id is accepted by one of them only, and a promotion reaches both."""
    services = [start(tmp_path / "shop.db", releases["one"]), start(tmp_path / "shop.db")]
    acknowledged, accepted = set[str](), []

    def post(which: int, turn: int) -> None:
        with services[which].client() as client:
            for number in range(20):
                body = batch(f"{turn}-{number}", 10)
                answer = client.post("/v1/events", json=body)
                tally.expect(answer.status_code in {202, 503}, answer.text)
                if answer.status_code == 202:
                    accepted.append(answer.json()["accepted"])
                    acknowledged.update(event["id"] for event in body["events"])
                slate = client.post("/v1/recommend", json={"user": "u1", "k": 5})
                tally.expect(slate.status_code == 503 or len(slate.json()["items"]) == 5, slate.text)

    for turn in range(tries):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(post, (0, 1, 0, 1), [turn] * 4))
        tally.tries += 1
    with Store(tmp_path / "shop.db") as store:
        tally.kept(acknowledged, store.events()["id"].to_list())
        tally.expect(sum(accepted) == len(acknowledged), f"{sum(accepted)} of {len(acknowledged)}")
    with services[0].client() as first, services[1].client() as second:
        body = batch("seen", 1, user="new")
        assert first.post("/v1/events", json=body).status_code == 202
        answer = second.post("/v1/events", json=body).json()
        tally.expect(answer["duplicates"] == 1, answer)


@pytest.mark.parametrize("tries", [2, pytest.param(20, marks=pytest.mark.faults)])
def test_one_of_two_services_is_killed(
    start: Callable[..., Service], releases: dict[str, Path], tmp_path: Path, tally: Tally, tries: int
) -> None:
    """While both write to one store; the other goes on without one wrong answer."""
    rng, acknowledged, stays = random.Random(8), set[str](), start(tmp_path / "shop.db", releases["one"])
    for turn in range(tries):
        dies, gone = start(tmp_path / "shop.db"), threading.Event()

        def post(service: Service, name: str, gone: threading.Event = gone, dies: Service = dies) -> None:
            with service.client() as client:
                for number in range(10_000):
                    body = batch(f"{name}-{number}", 7)
                    try:
                        answer = client.post("/v1/events", json=body)
                    except httpx.TransportError as error:
                        tally.expect(service is dies, error)
                        return
                    tally.expect(answer.status_code == 202, answer.text)
                    acknowledged.update(event["id"] for event in body["events"])
                    if service is not dies and gone.is_set():
                        return

        workers = [
            threading.Thread(target=post, args=(one, f"{turn}-{which}")) for which, one in enumerate((stays, dies))
        ]
        for worker in workers:
            worker.start()
        time.sleep(rng.random() * 0.5)
        dies.kill()
        gone.set()
        for worker in workers:
            worker.join()
        tally.tries += 1
    stays.kill()
    with Store(tmp_path / "shop.db") as store:
        tally.kept(acknowledged, store.events()["id"].to_list())


@pytest.mark.parametrize("tries", [100, pytest.param(2_000, marks=pytest.mark.faults)])
def test_clock_that_jumps_back(releases: dict[str, Path], tmp_path: Path, tally: Tally, tries: int) -> None:
    """By seconds, days or years, between any two calls, with days archived meanwhile."""
    rng, now, acknowledged = random.Random(4), [20_000 * DAY], set[str]()

    def clock() -> float:
        return now[0]

    with Store(tmp_path / "shop.db", clock=clock) as store:
        promote(store, releases["one"], actor="test")
        serving = open_serving(store, load, seed=1, clock=clock)
        for number in range(tries):
            now[0] += rng.choice((1.0, 60.0, 3_600.0, DAY, -1.0, -3_600.0, -DAY, -30 * DAY, 29 * DAY))
            events = [Event("ann", f"i{number % 20}", "click", id=f"{number}-{n}") for n in range(3)]
            told = asyncio.run(serving.add_events(events + events[:1])).appended
            tally.expect(told == (3, 1), told)
            acknowledged.update(f"{number}-{n}" for n in range(3))
            decision, durable = serving.engine.submit(Request("ann", k=5))
            durable.result()
            tally.expect(decision.time == clock() and len(decision.items) == 5, decision)
            if number % 25 == 0:
                store.archive.run(hot_days=1)
            times = [event.time for event in store.histories(["ann"], 50)[0]]
            tally.expect(times == sorted(times), "a history that is out of order")
            tally.tries += 1
        tally.kept(acknowledged, store.events()["id"].to_list())
        tally.expect(store.archive.verify() == [], "files that are not whole")


@pytest.mark.parametrize("requests", [1_500, pytest.param(20_000, marks=pytest.mark.faults)])
def test_a_day_of_traffic(
    start: Callable[..., Service], releases: dict[str, Path], tmp_path: Path, tally: Tally, requests: int
) -> None:
    """Twenty-four hours of views and slates, as fast as they go: neither memory nor open files grow once it is warm.

    Few users, so that the histories in memory are as long as they may be before half of it is over.
    """
    service, rng, acknowledged = start(tmp_path / "shop.db", releases["one"]), random.Random(2), set[str]()
    noon, sizes = 1_700_000_000.0, []
    with service.client() as client:
        for number in range(requests):
            moment, user = noon + number * DAY / requests, f"u{rng.randrange(40)}"
            if number % 4 == 0:
                answer = client.post("/v1/recommend", json={"user": user, "k": 10, "time": moment})
                tally.expect(answer.status_code == 200 and len(answer.json()["items"]) == 10, answer.text)
            else:
                body = batch(str(number), 2, user=user, time=moment)
                answer = client.post("/v1/events", json=body)
                tally.expect(answer.status_code == 202, answer.text)
                acknowledged.update(event["id"] for event in body["events"])
            if number % (requests // 10) == requests // 10 - 1:
                sizes.append((service.memory(), service.handles()))
            tally.tries += 1
    (half, handles), (end, handles_at_end) = sizes[4], sizes[-1]
    tally.expect(end < half * 1.02 + 2e6, f"memory grew from {half} to {end} bytes")
    tally.expect(handles_at_end <= handles + 2, f"open files grew from {handles} to {handles_at_end}")
    print(f"memory, MB: {[round(one / 1e6, 1) for one, _ in sizes]}; open files: {[one for _, one in sizes]}")
    service.kill()
    with Store(tmp_path / "shop.db") as store:
        tally.kept(acknowledged, store.events()["id"].to_list())
