"""Histories in the memory of several services are those of the store, whatever happens to Redis."""

import random
from collections.abc import Sequence
from pathlib import Path

from recloop.app.shared_recent import SharedRecent
from recloop.store import Store
from recloop.store.hot import Hot
from recloop.types import Event, Request


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_no_service_is_behind_the_store(redis_server, tmp_path: Path) -> None:
    rng, timer = random.Random(4), Timer()
    reads = 0

    def load(users: Sequence[str], limit: int) -> list[list[Event]]:
        nonlocal reads
        reads += len(users)
        return store.histories(users, limit)

    with Store(tmp_path / "store.db") as store:
        hots = [Hot(redis_server.url, timer) for _ in range(3)]
        services = [SharedRecent(load, limit=5, users=4, hot=hot) for hot in hots]
        asked, alive = 0, True
        for step in range(1500):
            user, service = f"u{rng.randrange(6)}", rng.choice(services)
            if rng.random() < 0.3:
                event = Event(user, "i", "view", rng.random(), id=f"e{step}")
                store.append_events([event])
                service.add([event])
            else:
                asked += 1
                (found,) = service.histories([Request(user, time=9.0)])
                assert list(found) == store.histories([user], 5)[0], (step, alive)
            if step in {400, 900}:
                redis_server.stop()
                alive = False
            if step in {600, 1100}:
                redis_server.start()
                alive = True
            timer.now += 0.1
        for hot in hots:
            hot.close()
    assert asked / 2 < reads < asked  # memory is of use, and the store is asked where Redis cannot tell


def test_marks_take_no_more_room_than_histories(redis_server) -> None:
    hot = Hot(redis_server.url)
    recent = SharedRecent(lambda users, _limit: [[] for _ in users], limit=5, users=4, hot=hot)
    for number in range(0, 100, 2):
        recent.histories([Request(f"u{number + place}", time=1.0) for place in range(2)])
    assert len(recent) == 4
    assert len(recent._marks) <= 9
    hot.close()


def test_who_is_forgotten_by_one_service_is_forgotten_by_all(redis_server, tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        hots = [Hot(redis_server.url) for _ in range(2)]
        one, other = [SharedRecent(store.histories, limit=5, users=4, hot=hot) for hot in hots]
        store.append_events([Event("ann", "i", "view", 1.0, id="e1")])
        assert len(other.histories([Request("ann", time=9.0)])[0]) == 1
        store.erasure.erase("ann")
        one.forget("ann")
        assert other.histories([Request("ann", time=9.0)]) == [()]
        for hot in hots:
            hot.close()
