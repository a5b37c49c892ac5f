"""Several services on one PostgreSQL: nothing is lost between them, and all learn the same."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from recloop.app.learning import fold
from recloop.compose import SlateConfig
from recloop.compose.config import ThompsonConfig
from recloop.data.dataset import Dataset
from recloop.loop.release import build_release, load
from recloop.service.server import background
from recloop.store import Store
from recloop.store.outcomes import Rewarded
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random

REPLICAS, WORKERS, ROUNDS = 3, 4, 6
WINDOW = 0.4  # seconds in which a click rewards


@pytest.fixture(scope="module")
def bandit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose default policy learns."""
    rng = np.random.default_rng(3)
    log = pl.DataFrame(
        {
            "user": [f"u{n}" for n in rng.integers(0, 30, 300)],
            "item": [f"i{n}" for n in rng.integers(0, 20, 300)],
            "kind": "view",
            "time": np.arange(300, dtype=np.float64),
        }
    )
    shop = Dataset.of(log)
    arms = {name: SlateConfig(sources=[name], fallback="") for name in ("random", "popular")}
    return build_release(
        tmp_path_factory.mktemp("bandit") / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies={"random": Random().fit(shop), "popular": Popular().fit(shop)},
        policies={
            "bandit": ThompsonConfig(arms=arms, reward_kinds=["click"], reward_hours=WINDOW / 3600),
            "popular": arms["popular"],
        },
        default_policy="bandit",
        created=0.0,
    )


def test_three_replicas_learn_what_a_replay_learns(
    start: Callable[..., object],
    bandit: Path,
    postgres_schema: Callable[[str], str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """On PostgreSQL and Redis; on PostgreSQL alone where there is no Redis."""
    url = postgres_schema(f"replicas_{tmp_path.name}")
    redis = request.getfixturevalue("redis_server").url if shutil.which("redis-server") else None
    replicas = [start(url, bandit, log=None, redis=redis)]
    replicas += [start(url, None, log=None, redis=redis) for _ in range(REPLICAS - 1)]
    assert all(one.url.startswith("http") for one in replicas), [one.end(9) for one in replicas]

    def live(worker: int) -> tuple[dict[str, int], int]:
        """Slates from one replica, events to another, some of them twice; what was acknowledged."""
        rng, seen, accepted = random.Random(worker), {}, 0
        with httpx.Client(timeout=60) as client:
            for turn in range(ROUNDS):
                slates = [
                    client.post(f"{replicas[(worker + n) % REPLICAS].url}/v1/recommend", json={"user": f"u{worker}"})
                    for n in range(3)
                ]
                decided = [answer.json()["decision"] for answer in slates]
                seen |= {decision: rng.randrange(2) for decision in decided}
                events = [
                    {"user": f"u{worker}", "item": "i1", "kind": "click" if seen[decision] else "view",
                     "id": f"{worker}-{turn}-{n}", "decision": decision}
                    for n, decision in enumerate(decided)
                ]  # fmt: skip
                for _ in range(2):  # sent again, to another replica
                    answer = client.post(
                        f"{rng.choice(replicas).url}/v1/events", json={"events": rng.sample(events, len(events))}
                    )
                    assert answer.status_code == 202, answer.text
                    accepted += answer.json()["accepted"]
        return seen, accepted

    with ThreadPoolExecutor(WORKERS) as pool:
        lived = list(pool.map(live, range(WORKERS)))
    clicked = {decision: wanted for seen, _ in lived for decision, wanted in seen.items()}
    assert len(clicked) == WORKERS * ROUNDS * 3 == sum(accepted for _, accepted in lived)
    for one in replicas:
        code, said = one.end(signal.SIGTERM)
        assert code == 0, said

    policy = load(bandit).policies["bandit"]
    with Store(url) as store:
        assert store.counts() == {"events": len(clicked), "decisions": len(clicked), "feedback": 0}
        time.sleep(WINDOW)  # the rest of what the replicas had begun
        state = store.outcomes.follow("one", "bandit", Rewarded(("click",), WINDOW), partial(fold, policy))
        outcomes = store.outcomes.read("one", "bandit")
        rewards = {outcome.decision: outcome.reward for outcome in outcomes}
        assert rewards.keys() == clicked.keys()
        assert all(rewards[decision] <= wanted for decision, wanted in clicked.items())
        # a click that came after its window rewards nothing, on a machine that is busy
        assert sum(rewards.values()) > 0
        arms = dict(store.decisions().select("id", "arm").iter_rows())
        assert {outcome.decision: outcome.arm for outcome in outcomes} == arms
        assert state == store.policy_states.get("one", "bandit") == fold(policy, None, outcomes)
        assert sum(state["per_arm"]["total"]) == sum(rewards.values())


def test_an_event_changes_the_next_answer_of_every_service(bandit: Path, tmp_path: Path, redis_server) -> None:
    """With Redis, when it is lost, and when it is back."""
    file, how = tmp_path / "store.db", {"port": 0, "log": None, "redis": redis_server.url}
    with (
        background(file, release=bandit, **how) as one,
        background(file, **how) as other,
        httpx.Client(timeout=30) as client,
    ):

        def shown(service: object, user: str) -> list[str]:
            answer = client.post(f"{service.url}/v1/recommend", json={"user": user, "k": 20}).json()
            return [entry["item"] for entry in answer["items"]]

        for turn, change in enumerate((None, None, redis_server.stop, None, redis_server.start, None)):
            if change is not None:
                change()
            user = f"new{turn % 2}"
            before = shown(other, user)
            event = {"user": user, "item": before[0], "kind": "view"}
            assert client.post(f"{one.url}/v1/events", json={"events": [event]}).status_code == 202
            assert before[0] not in shown(other, user)
            assert before[0] not in shown(one, user)


def test_a_service_answers_from_what_another_has_learned(
    bandit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state that one process has folded moves the propensities of the others within seconds."""
    monkeypatch.setattr("recloop.service.server.LEARN", 0.05)
    file = tmp_path / "store.db"
    with (
        background(file, release=bandit, port=0, log=None, seed=1) as one,
        background(file, port=0, log=None, seed=2) as other,
        httpx.Client(timeout=30) as client,
        Store(file) as store,
    ):
        for number in range(400):
            decision = client.post(f"{one.url}/v1/recommend", json={"user": f"u{number}"}).json()["decision"]
            if store.decisions()["arm"][-1] == "popular":
                event = {"user": "u", "item": "i", "kind": "click", "decision": decision}
                client.post(f"{one.url}/v1/events", json={"events": [event]})
            client.post(f"{other.url}/v1/recommend", json={"user": "x"})
            last = store.decisions().row(-1, named=True)
            if last["arm"] == "popular" and last["propensity"] > 0.9:
                return
    pytest.fail("the other service has not learned")
