"""An experiment with a bandit among its variants: served, learned from, and its arms read out without the bias."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.engine import Engine
from recloop.app.experiments import Experiments
from recloop.app.readout import read_trial
from recloop.compose import Outcomes, SlateConfig, ThompsonConfig
from recloop.data.dataset import Dataset
from recloop.loop.promote import promote
from recloop.loop.release import Release, build_release, load
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Event, Request

from .shell import recloop, words

CHANCE = {"good": 0.5, "poor": 0.3, "": 0.3}  # of a click on a slate, by arm


@pytest.fixture
def release(tmp_path: Path) -> Release:
    log = pl.DataFrame({"user": [f"u{n}" for n in range(40)], "item": [f"i{n % 8}" for n in range(40)],
                        "time": np.arange(40.0)})  # fmt: skip
    shop = Dataset.of(log)
    strategies = {"popular": Popular().fit(shop), "random": Random().fit(shop)}
    arms = {"poor": SlateConfig(sources=["random"], fallback=""), "good": SlateConfig(sources=["popular"], fallback="")}
    folder = build_release(
        tmp_path / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies=strategies,
        policies={
            "popular": SlateConfig(sources=["popular"], fallback=""),
            "bandit": ThompsonConfig(arms=arms, floor=0.1),
        },
        default_policy="popular",
        created=0.0,
    )
    return load(folder)


def test_a_bandits_arms_are_read_out(tmp_path: Path, release: Release) -> None:
    now, numbers, rng = [1000.0], iter(range(10_000)), np.random.default_rng(5)
    store = Store(tmp_path / "store.db", clock=lambda: now[0])
    engine = Engine(store, release, seed=3, clock=lambda: now[0], ids=lambda: f"d{next(numbers)}")
    experiments = Experiments(store, engine, clock=lambda: now[0])
    variants = {"popular": {"policy": "popular", "control": True}, "learns": {"policy": "bandit", "weight": 3}}
    promote(store, release.folder, actor="test")
    experiments.create({"name": "arms", "variants": variants, "planned_users": 400, "window": 60.0})
    experiments.start("arms")

    policy, state = release.policies["bandit"], release.policies["bandit"].initial_state()
    for _day in range(5):  # each user comes back every day
        seen, events = [], []
        for user in range(400):
            now[0] += 1
            decision, _ = engine.submit(Request(user=f"u{user}", k=3))
            clicked = rng.random() < CHANCE[decision.arm]
            if clicked:
                events.append(Event(f"u{user}", decision.items[0].item, "click", now[0], id=f"e{decision.id}",
                                    decision=decision.id))  # fmt: skip
            if decision.arm:
                seen.append((decision.arm, float(clicked)))
        store.append_events(events)
        state = policy.update(state, Outcomes(*zip(*seen, strict=True)))
        engine.learn("bandit", state)
    now[0] += 61

    kept = store.decisions(experiment="arms").filter(variant="learns")
    chances = [json.loads(text) for text in kept["allocation"].unique()]
    assert len(chances) == 5
    assert all(set(one) == {"poor", "good"} and min(one.values()) >= 0.1 for one in chances)

    readout = read_trial(store, "arms", now[0], shown=release).readout
    (found,) = readout.bandits
    assert (found.variant, found.metric, found.left_out, found.reason) == ("learns", "slate_ctr", 0, "")
    assert found.slates == kept.height
    assert found.users == readout.users["learns"]
    values = {arm.arm: arm for arm in found.found.arms}
    assert found.found.control == "poor"
    for name, arm in values.items():
        assert arm.low < CHANCE[name] < arm.high
        assert arm.pulls == kept.filter(arm=name).height
    effect = found.found.contrasts["good"]
    assert effect.low < 0.2 < effect.high
    assert effect.low > 0
    told = readout.to_dict()["bandits"][0]
    assert told["found"]["warning"].startswith("The plain mean of an arm is biased here")
    store.close()

    out = recloop("experiments", "readout", "arms", "--store", str(tmp_path / "store.db"))
    assert out.code == 0, out.err
    said = words(out.out)
    assert "Arms of learns, click rate over" in said
    assert "The plain mean of an arm is biased here" in said
