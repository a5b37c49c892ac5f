"""A service whose policy is a contextual bandit: it learns from posted clicks, and its decisions can be recomputed."""

import json
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from recloop.app.learning import fold
from recloop.bandits import LinTS, State
from recloop.compose import BanditConfig, SlateConfig
from recloop.compose.features import FeaturesConfig
from recloop.data.dataset import Dataset
from recloop.loop.release import build_release, load
from recloop.service import server as service
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random

from .shell import recloop

CHANCE = {("app", "left"): 0.8, ("app", "right"): 0.1, ("web", "left"): 0.1, ("web", "right"): 0.8}
ROUNDS, EACH, WINDOW = 5, 40, 0.001  # seconds after a decision in which a click counts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = pl.DataFrame({"user": [f"u{n}" for n in range(40)], "item": [f"i{n % 8}" for n in range(40)],
                        "time": np.arange(40.0)})  # fmt: skip
    shop = Dataset.of(log)
    arms = {
        "left": SlateConfig(sources=["popular"], fallback=""),
        "right": SlateConfig(sources=["random"], fallback=""),
    }
    learns = BanditConfig(
        arms=arms,
        algorithm=LinTS(floor=0.05),
        features=FeaturesConfig(context={"device": ["app", "web"]}),
        reward_kinds=["click"],
        reward_hours=WINDOW / 3600,
    )
    return build_release(
        tmp_path / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop), "random": Random().fit(shop)},
        policies={"learns": learns, "popular": arms["left"], "again": learns},
        default_policy="learns",
        created=0.0,
    )


def test_it_learns_for_whom_each_arm_is(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LEARN", 1e6)  # the test says when
    url, rng = tmp_path / "store.db", np.random.default_rng(4)
    policy = load(folder).policies["learns"]
    seen, states = [], {}
    with service.background(url, release=folder, port=0, log=None, seed=1) as running, Store(url) as store:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            for turn in range(ROUNDS):
                states[turn] = store.policy_states.get("one", "learns") or policy.initial_state()
                for number in range(EACH):
                    device = ("app", "web")[number % 2]
                    wish = {"user": f"u{number}", "k": 2, "context": {"device": device}}
                    answer = client.post("/v1/recommend", json=wish)
                    assert answer.status_code == 200, answer.text
                    seen.append((turn, answer.json()["decision"], device))
                told = {row["id"]: row for row in store.decisions().iter_rows(named=True)}
                clicks = [
                    {"user": told[decision]["user"], "item": told[decision]["items"][0], "kind": "click",
                     "time": told[decision]["time"] + WINDOW / 2, "decision": decision}
                    for at, decision, device in seen
                    if at == turn and rng.random() < CHANCE[device, told[decision]["arm"]]
                ]  # fmt: skip
                for event in (*clicks, *clicks[:3]):  # some are sent twice
                    assert client.post("/v1/events", json={"events": [event]}).status_code == 202
                running._serving.follow_outcomes()

        outcomes = store.outcomes.read("one", "learns")
        assert len(outcomes) == ROUNDS * EACH
        assert all(len(outcome.details["features"]) == 3 for outcome in outcomes)
        # the state of the service is the one that a replay of the log gives
        assert store.policy_states.get("one", "learns") == fold(policy, None, outcomes)

        bandit = policy.config.algorithm
        for turn, decision, device in seen:
            row = told[decision]
            features = json.loads(row["details"])["features"]
            assert features == [1.0, *([1.0, 0.0] if device == "app" else [0.0, 1.0])]
            state = bandit.offer(State.of(states[turn]), policy.arms)
            share = bandit.propensities(state, [features])[0]
            assert json.loads(row["allocation"]) == pytest.approx(dict(zip(policy.arms, share, strict=True)), abs=1e-9)
            assert row["propensity"] == pytest.approx(share[policy.arms.index(row["arm"])], abs=1e-9)
        last = bandit.propensities(
            bandit.offer(State.of(store.policy_states.get("one", "learns")), policy.arms), [[1, 1, 0], [1, 0, 1]]
        )
        assert last[0, 0] > 0.9
        assert last[1, 1] > 0.9

    out = recloop("bandits", "warm-start", "--store", str(url), "--from", "learns", "--to", "again", "--json")
    assert out.code == 0, out.err
    told_back = json.loads(out.out)
    assert (told_back["outcomes"], told_back["skipped"]) == (ROUNDS * EACH, 0)
    with Store(url) as store:
        assert store.policy_states.get("one", "again") == store.policy_states.get("one", "learns")
    again = recloop("bandits", "warm-start", "--store", str(url), "--from", "learns", "--to", "again")
    assert again.code == 5
    assert "has learned already" in again.err
