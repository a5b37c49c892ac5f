"""A live experiment read from the store with its history, at its planned looks, and with its bandits' arms."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recloop.app.readout import arms_table, daily_table, history_table, read_trial
from recloop.experiments import Experiment
from recloop.experiments.bandits import read_bandits
from recloop.metrics.online import OUTCOMES
from recloop.metrics.outcomes import by_user
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

DAY, START, USERS = 86_400.0, 100 * 86_400.0, 400
SLATE = (SlateItem(item="tea", score=1.0, source="popular"),)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db", clock=lambda: START) as opened:
        yield opened


def decision(id_: str, user: str, time: float, **settings: object) -> Decision:
    return Decision(id=id_, user=user, time=time, items=SLATE, policy="popular", **settings)


def define(store: Store, **settings: object) -> Experiment:
    variants = {"old": {"policy": "random", "control": True}, "new": {"policy": "popular"}}
    given = {"name": "home", "variants": variants, "planned_users": USERS, "primary": "spend_per_user"}
    test = Experiment.parse({**given, **settings})
    store.experiments.add("home", test.to_dict())
    store.experiments.start("home")
    return test


def serve(store: Store, users: int = USERS, lift: float = 0.0) -> None:
    """One user a minute, who spends as before; three in four were here before."""
    rng = np.random.default_rng(1)
    decisions, events = [], []
    for n in range(users):
        taste, user, time = rng.gamma(4.0, 5.0), f"u{n}", START + 60.0 * n
        if n // 2 % 4:
            events.append(Event(user, "mug", "purchase", time - 3 * DAY, taste + rng.normal(), id=f"before{n}"))
            events.append(Event(user, "mug", "purchase", time - 50 * DAY, 1e4, id=f"long ago{n}"))
        variant = "new" if n % 2 else "old"
        decisions.append(decision(f"d{n}", user, time, experiment="home", variant=variant))
        spent = taste + rng.normal() + lift * (variant == "new")
        events.append(Event(user, "tea", "purchase", time + 5, spent, id=f"after{n}", decision=f"d{n}"))
    store.append_decisions(decisions)
    store.append_events(events)


def test_the_same_events_before_the_first_slate_narrow_the_effect(store: Store) -> None:
    test = define(store, covariate_days=14)
    serve(store)
    readout = read_trial(store, "home", START + 9 * DAY).readout
    (detail,) = readout.details
    assert (detail.metric, detail.plain.control) == ("spend_per_user", pytest.approx(20, abs=2))
    assert detail.variance_reduction > 0.5
    found = readout.of("spend_per_user")[0]
    assert found.fixed.method.startswith("CUPED")
    assert any("without covariates" in fact for fact in read_trial(store, "home", START + 9 * DAY).verdict.facts)
    table = history_table(store, test, by_user(daily_table(store, "home", shown=None, sentiment=None)))
    assert table.height == USERS * 3 // 4
    assert table["spend"].max() < 1000  # what lies further back is not counted


def test_a_look_is_the_same_whenever_it_is_read(store: Store) -> None:
    define(store, rule="group-sequential", looks=[0.5, 1.0], window=3600.0)
    serve(store, users=300, lift=40.0)
    soon = START + 199 * 60.0
    assert read_trial(store, "home", soon + 3599).verdict.verdict == "keep_running"
    first = read_trial(store, "home", soon + 3600)
    assert (first.verdict.verdict, first.readout.look.users) == ("ship", 200)
    # users of the look come back and do the contrary: what they do later is no part of it
    later = [decision(f"again{n}", f"u{n}", START + 5 * DAY, experiment="home", variant="new" if n % 2 else "old")
             for n in range(200)]  # fmt: skip
    store.append_decisions(later)
    store.append_events([Event(f"u{n}", "tea", "purchase", START + 5 * DAY + 9, 500.0, decision=f"again{n}")
                         for n in range(0, 200, 2)])  # fmt: skip
    again = read_trial(store, "home", START + 9 * DAY)
    assert again.readout.of("spend_per_user")[0].effect == first.readout.of("spend_per_user")[0].effect
    assert again.readout.of("spend_per_user")[0].sequential.estimate < 0
    assert again.verdict.verdict == "ship"


def bandit(store: Store, allocation: dict[str, float], count: int, first: int = 0) -> None:
    rng = np.random.default_rng(first)
    names = list(allocation)
    decisions, events = [], []
    for n in range(first, first + count):
        arm = names[rng.choice(len(names), p=list(allocation.values()))]
        variant = "new" if n % 2 else "old"
        told = {"arm": arm, "propensity": allocation[arm], "allocation": allocation} if variant == "new" else {}
        decisions.append(decision(f"d{n}", f"u{n}", START + n, experiment="home", variant=variant, **told))
        if rng.random() < 0.3:
            events.append(Event(f"u{n}", "tea", "click", START + n + 1, id=f"e{n}", decision=f"d{n}"))
    store.append_decisions(decisions)
    store.append_events(events)


def test_arms_that_cannot_be_read_say_why(store: Store) -> None:
    define(store)
    bandit(store, {"a": 0.5, "b": 0.5}, 200)
    (found,) = read_trial(store, "home", START + 9 * DAY).readout.bandits
    assert found.found is None
    assert found.reason.endswith("is no mean over slates; name one among the secondaries, such as slate_ctr")


def test_slates_of_other_arms_and_open_windows_are_left_out(store: Store) -> None:
    define(store, primary="slate_ctr")
    bandit(store, {"a": 0.5, "gone": 0.5}, 100)
    bandit(store, {"a": 0.4, "b": 0.6}, 300, first=100)
    (found,) = read_trial(store, "home", START + 9 * DAY).readout.bandits
    assert (found.slates, found.users, found.left_out) == (150, 150, 50)
    assert [arm.arm for arm in found.found.arms] == ["a", "b"]
    (early,) = read_trial(store, "home", START + DAY + 199).readout.bandits
    assert (early.slates, early.left_out) == (50, 50)
    store.append_decisions(
        [decision("t", "tester", START + 9, experiment="home", variant="new", forced=True, arm="a",
                  allocation={"a": 0.4, "b": 0.6})]
    )  # fmt: skip
    assert read_trial(store, "home", START + 9 * DAY).readout.bandits[0].slates == 150


def test_arms_may_be_looked_at_any_time_unless_one_look_was_planned(store: Store) -> None:
    define(store, primary="slate_ctr")
    bandit(store, {"a": 0.4, "b": 0.6}, 400)
    trial = read_trial(store, "home", START + 9 * DAY)
    (always,) = trial.readout.bandits
    assert always.found.always_valid
    assert any("95% intervals, valid at every look" in fact for fact in trial.verdict.facts)
    store.experiments.stop("home")
    test = Experiment.parse({**store.experiments.get("home").definition, "name": "once", "rule": "fixed"})
    seen = arms_table(store, "home", test).filter(variant="new")
    once, early = (
        next(read_bandits(test, seen, OUTCOMES, START + 9 * DAY, basis)) for basis in ("fixed", "always valid")
    )
    assert not once.found.always_valid
    wide, narrow = (one.found.contrasts["b"].high - one.found.contrasts["b"].low for one in (early, once))
    assert 1.3 < wide / narrow < 1.8
    assert early.found.contrasts == always.found.contrasts


def test_an_arm_without_a_chance_cannot_be_read(store: Store) -> None:
    define(store, primary="slate_ctr")
    bandit(store, {"a": 1.0, "b": 0.0}, 200)
    trial = read_trial(store, "home", START + 9 * DAY)
    (found,) = trial.readout.bandits
    assert "had a propensity of zero in 100 rounds" in found.reason
    assert any(fact.startswith("The arms of new cannot be read on click rate: ") for fact in trial.verdict.facts)
    json.dumps(trial.readout.to_dict(), allow_nan=False)
