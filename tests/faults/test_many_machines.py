"""What services share may go away: PostgreSQL, Redis, a worker, a replica."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from recloop.app.learning import fold
from recloop.compose import SlateConfig
from recloop.compose.config import ThompsonConfig
from recloop.loop.release import build_release, load
from recloop.service.server import background
from recloop.store import Store
from recloop.store.outcomes import Rewarded
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random

from .shop import Service, Tally, batch, log_of

Start = Callable[..., Service]
WINDOW = 0.4  # seconds in which a click rewards
PAUSE = 0.03  # seconds between what a client sends: enough to be at work all the while


class Clients:
    """Clients that post batches, each until it is acknowledged, as those that lose nothing do."""

    def __init__(self, urls: list[str], tally: Tally, refused: tuple[int, ...] = (503,)) -> None:
        assert all(urls), urls
        self.urls = urls
        self.acknowledged = set[str]()
        self.accepted = 0
        self.refusals = 0
        self._tally = tally
        self._refused = refused
        self._over = threading.Event()
        self._lock = threading.Lock()

    def run(self, count: int, fault: Callable[[], None]) -> None:
        """The fault, while so many clients are at work; each is acknowledged at least once before and after it."""
        pool = ThreadPoolExecutor(count)
        jobs = [pool.submit(self._live, worker) for worker in range(count)]
        fault()
        self._over.set()
        for job in jobs:
            job.result()
        pool.shutdown()

    def _live(self, worker: int) -> None:
        with httpx.Client(timeout=60) as client:
            self._post_on(worker, client)

    def _post_on(self, worker: int, client: httpx.Client) -> None:
        rng, turn = random.Random(worker), 0
        while True:
            time.sleep(PAUSE)
            last = self._over.is_set()
            body = batch(f"{worker}-{turn}", rng.randrange(1, 20), user=f"u{worker}")
            before = 0
            while (told := self._post(client, rng.choice(self.urls), body)) is None:
                before += 1
                time.sleep(0.05)
            ids = {event["id"] for event in body["events"]}
            new, known = told
            # a refusal may hide that it was kept: then all of it is known now, and nothing is new
            self._tally.expect((new, known) == (len(ids), 0) or (before and (new, known) == (0, len(ids))), told)
            with self._lock:
                self.acknowledged |= ids
            turn += 1
            if last:
                return

    def _post(self, client: httpx.Client, url: str, body: dict) -> tuple[int, int] | None:
        """What became of the events; None where nobody knows."""
        try:
            answer = client.post(f"{url}/v1/events", json=body)
        except httpx.TransportError:
            self.refusals += 1
            return None
        if answer.status_code in self._refused:
            self._tally.expect("same ids count once" in answer.json()["detail"], answer.text)
            self.refusals += 1
            return None
        self._tally.expect(answer.status_code == 202, answer.text)
        told = answer.json()
        return told["accepted"], told["duplicates"]


@pytest.mark.parametrize("tries", [2, pytest.param(20, marks=pytest.mark.faults)])
def test_postgresql_is_stopped_and_restarted_under_load(
    releases: dict[str, Path], own_server, tally: Tally, tries: int
) -> None:
    """In order, and as by a power cut; two services, three clients, slates meanwhile."""
    rng, how = random.Random(1), {"port": 0, "log": None}
    with (
        background(own_server.url, release=releases["one"], **how) as one,
        background(own_server.url, **how) as other,
        httpx.Client(timeout=60) as client,
    ):
        clients = Clients([one.url, other.url], tally)

        def fault() -> None:
            for turn in range(tries):
                time.sleep(rng.random() * 0.4)
                own_server.stop(("immediate", "fast")[turn % 2])
                for url in clients.urls:
                    answer = client.post(f"{url}/v1/recommend", json={"user": "u1"})
                    tally.expect(answer.status_code == 503 and "PostgreSQL" in answer.json()["detail"], answer.text)
                    tally.expect(client.get(f"{url}/health/live").status_code == 200, "not live")
                own_server.start()
                for url in clients.urls:
                    answer = client.post(f"{url}/v1/recommend", json={"user": "u1", "k": 5})
                    tally.expect(answer.status_code == 200 and len(answer.json()["items"]) == 5, answer.text)
                tally.tries += 1

        clients.run(3, fault)
    assert clients.refusals
    with Store(own_server.url) as store:
        tally.kept(clients.acknowledged, store.events()["id"].to_list())


@pytest.mark.parametrize("tries", [2, pytest.param(30, marks=pytest.mark.faults)])
def test_slow_postgresql(releases: dict[str, Path], postgres_schema, tmp_path: Path, tally: Tally, tries: int) -> None:
    """Somebody holds the tables again and again, longer than a service waits: answers say so, and are right."""
    import psycopg

    url = postgres_schema(f"slow_{tmp_path.name}")
    with (
        background(url, release=releases["one"], port=0, log=None, patience=0.2) as service,
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other,
    ):
        clients = Clients([service.url], tally)

        def fault() -> None:
            for _ in range(tries):
                with other.transaction():
                    other.execute("LOCK TABLE events, decisions")
                    time.sleep(0.5)
                time.sleep(0.1)
                tally.tries += 1

        clients.run(2, fault)
    assert clients.refusals
    with Store(url) as store:
        tally.kept(clients.acknowledged, store.events()["id"].to_list())


@pytest.mark.parametrize("tries", [4, pytest.param(40, marks=pytest.mark.faults)])
def test_redis_is_lost_and_comes_back(
    releases: dict[str, Path], tmp_path: Path, redis_server, tally: Tally, tries: int
) -> None:
    """An event that one service takes changes the next slate of the other, with Redis, without it, and after it."""
    file, how, acknowledged = tmp_path / "shop.db", {"port": 0, "log": None, "redis": redis_server.url}, set[str]()
    with (
        background(file, release=releases["one"], **how) as one,
        background(file, **how) as other,
        httpx.Client(timeout=60) as client,
    ):

        def shown(user: str) -> list[str]:
            answer = client.post(f"{other.url}/v1/recommend", json={"user": user, "k": 40})
            tally.expect(answer.status_code == 200, answer.text)
            return [entry["item"] for entry in answer.json()["items"]]

        for turn in range(tries):
            if turn % 2:
                redis_server.stop()
            for step in range(3):
                user = f"new{turn}"
                item, name = shown(user)[step], f"{turn}-{step}"
                event = {"user": user, "item": item, "kind": "view", "id": name}
                answer = client.post(f"{one.url}/v1/events", json={"events": [event]})
                tally.expect(answer.status_code == 202, answer.text)
                acknowledged.add(name)
                tally.expect(item not in shown(user), f"{item} is shown again")
            if turn % 2:
                redis_server.start()
            tally.tries += 1
    with Store(file) as store:
        tally.kept(acknowledged, store.events()["id"].to_list())


@pytest.mark.faults  # small in tests/service/test_workers.py
@pytest.mark.parametrize("tries", [20])
def test_a_worker_crashes(start: Start, releases: dict[str, Path], tmp_path: Path, tally: Tally, tries: int) -> None:
    """``kill -9`` of one of two workers; the other answers, and a new one takes its place."""
    rng = random.Random(4)
    service = start(tmp_path / "shop.db", releases["one"], words=("--workers", "2"))
    clients = Clients([service.url], tally)

    def fault() -> None:
        for _ in range(tries):
            before = service.workers()
            time.sleep(rng.random() * 0.3)
            os.kill(rng.choice(before), signal.SIGKILL)
            until = time.monotonic() + 60
            while len(set(service.workers()) - set(before)) < 1:
                assert time.monotonic() < until, "no worker took its place"
                time.sleep(0.05)
            tally.tries += 1

    clients.run(2, fault)
    tally.expect(service.end() == 0, "no orderly end")
    with Store(tmp_path / "shop.db") as store:
        tally.kept(clients.acknowledged, store.events()["id"].to_list())


@pytest.fixture(scope="module")
def bandit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose default policy learns."""
    shop = log_of()
    arms = {name: SlateConfig(sources=[name], fallback="") for name in ("random", "popular")}
    return build_release(
        tmp_path_factory.mktemp("bandit") / "three",
        name="three",
        version=3,
        dataset=shop,
        strategies={"random": Random().fit(shop), "popular": Popular().fit(shop)},
        policies={
            "bandit": ThompsonConfig(arms=arms, reward_kinds=["click"], reward_hours=WINDOW / 3600),
            "popular": arms["popular"],
        },
        default_policy="bandit",
        created=0.0,
    )


@pytest.mark.faults  # small in tests/service/test_replicas.py
@pytest.mark.parametrize("tries", [10])
def test_one_of_three_replicas_is_killed_and_what_is_learned_is_a_replay(
    start: Start, bandit: Path, postgres_schema, redis_server, tmp_path: Path, tally: Tally, tries: int
) -> None:
    """On PostgreSQL and Redis: slates from one replica, clicks to another; then the state against the log."""
    url, words = postgres_schema(f"fault_{tmp_path.name}"), ("--redis", redis_server.url)
    replicas = [start(url, bandit, words=words), start(url, words=words), start(url, words=words)]
    clicked: dict[str, int] = {}
    over = threading.Event()

    def live(worker: int) -> None:
        with httpx.Client(timeout=60) as client:
            ask_on(client, random.Random(worker), worker)

    def ask_on(client: httpx.Client, rng: random.Random, worker: int) -> None:
        while True:
            time.sleep(PAUSE)
            last = over.is_set()
            answer = _try(client, rng, replicas, "/v1/recommend", {"user": f"u{worker}"})
            decision, click = answer["decision"], rng.randrange(2)
            kind = "click" if click else "view"
            event = {"user": f"u{worker}", "item": "i1", "kind": kind, "id": f"e-{decision}", "decision": decision}
            _try(client, rng, replicas, "/v1/events", {"events": [event]})
            clicked[decision] = click
            if last:
                return

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(live, worker) for worker in range(4)]
        for turn in range(tries):
            time.sleep(0.5)
            replicas[turn % 3].kill()
            replicas[turn % 3] = start(url, words=words)
            tally.tries += 1
        over.set()
        for job in jobs:
            job.result()
    for one in replicas:
        tally.expect(one.end() == 0, "no orderly end")
    policy = load(bandit).policies["bandit"]
    with Store(url) as store:
        tally.kept({f"e-{decision}" for decision in clicked}, store.events()["id"].to_list())
        decided = store.decisions()["id"].to_list()  # those whose answer was lost are there too
        tally.kept(set(clicked), decided)
        time.sleep(WINDOW)  # the rest
        state = store.outcomes.follow("three", "bandit", Rewarded(("click",), WINDOW), partial(fold, policy))
        outcomes = store.outcomes.read("three", "bandit")
        tally.expect(sorted(one.decision for one in outcomes) == sorted(decided), "outcomes that are not the decisions")
        rewards = {one.decision: one.reward for one in outcomes}
        wrong = [one for one, click in clicked.items() if rewards.get(one, 2.0) > click]  # a late click is none
        tally.expect(not wrong, f"rewards of {wrong[:3]}")
        tally.expect(state == store.policy_states.get("three", "bandit"), "a state that nobody keeps")
        tally.expect(state == fold(policy, None, outcomes), "a state that is no replay of the log")


def _try(client: httpx.Client, rng: random.Random, replicas: list[Service], path: str, body: dict) -> dict:
    """The answer of some replica: another one is asked where one is gone."""
    for _ in range(200):
        try:
            answer = client.post(rng.choice(replicas).url + path, json=body)
        except (httpx.TransportError, httpx.UnsupportedProtocol):
            time.sleep(0.05)
            continue
        assert answer.status_code in {200, 202}, answer.text
        found: dict = answer.json()
        return found
    raise AssertionError("nobody answers")
