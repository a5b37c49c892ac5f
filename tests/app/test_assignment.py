"""What each request gets from the experiments that run: surfaces, units, dates, ramps, holdouts, testers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.assignment import Running, assigning
from recloop.app.engine import Engine
from recloop.app.experiments import Experiments, create_experiment, revise_experiment, start_experiment
from recloop.app.ramp import follow_ramp, is_due
from recloop.app.readout import read_trial
from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.errors import ConflictError, MissingError, SettingError
from recloop.experiments import Experiment, assign, bucket
from recloop.loop.release import Release, build_release, load
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Event, Request

VARIANTS = {"a": {"policy": "popular", "control": True}, "b": {"policy": "random"}}
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    rng = np.random.default_rng(3)
    log = pl.DataFrame(
        {
            "user": [f"u{n // 5}" for n in range(200)],
            "item": [f"i{item}" for item in rng.integers(0, 20, 200)],
            "time": np.arange(200.0),
        }
    )
    shop = Dataset.of(log, pl.DataFrame({"item": [f"i{n}" for n in range(20)]}))
    folder = build_release(
        tmp_path_factory.mktemp("release") / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop), "random": Random().fit(shop)},
        policies={name: SlateConfig(sources=[name], fallback="") for name in ("popular", "random")},
        default_policy="popular",
        created=0.0,
    )
    return load(folder)


class Shop:
    """A store with a clock that can be set, an engine, and the experiments over both."""

    def __init__(self, path: Path, release: Release) -> None:
        self.now = NOW
        numbers = iter(range(1_000_000))
        self.store = Store(path, clock=lambda: self.now)
        self.engine = Engine(self.store, release, seed=1, clock=lambda: self.now, ids=lambda: f"d{next(numbers)}")
        self.experiments = Experiments(self.store, self.engine, clock=lambda: self.now)

    def run(self, name: str, **settings: object) -> Experiment:
        record = self.experiments.create({"name": name, "variants": VARIANTS, **settings})
        return Experiment.parse(self.experiments.start(record.name).definition)


@pytest.fixture
def shop(tmp_path: Path, release: Release) -> Iterator[Shop]:
    found = Shop(tmp_path / "store.db", release)
    yield found
    found.store.close()


def test_each_surface_has_its_layer(shop: Shop) -> None:
    shop.run("front", layer="front", surfaces=["home", "mail"])
    shop.run("basket", layer="basket", surfaces=["cart"])
    for user in ("u1", "u2", "u3"):
        told = {s: shop.engine.decide(Request(user=user, surface=s)) for s in ("home", "mail", "cart", "else")}
        assert [one.experiment for one in told.values()] == ["front", "front", "basket", ""]
        assert told["home"].variant == told["mail"].variant
    with pytest.raises(ConflictError, match="a surface belongs to one layer"):
        shop.run("third", layer="third")


def test_a_layer_is_shared(shop: Shop) -> None:
    tests = [shop.run("one", traffic=0.5), shop.run("two", traffic=0.3)]
    assert [test.offset for test in tests] == [0.0, 0.5]
    seen = [shop.engine.decide(Request(user=f"u{n}", k=1)).experiment for n in range(600)]
    shares = {name: seen.count(name) / len(seen) for name in ("one", "two", "")}
    assert shares == pytest.approx({"one": 0.5, "two": 0.3, "": 0.2}, abs=0.06)
    kept = Experiment.parse(shop.store.experiments.get("two").definition)
    assert kept.offset == 0.5  # the place it was given is part of what was agreed on


def test_sessions_and_requests(shop: Shop) -> None:
    by_session = shop.run("visits", unit="session", layer="visits", surfaces=["home"])
    by_request = shop.run("slates", unit="request", layer="slates", surfaces=["cart"])
    assert shop.engine.decide(Request(user="u1", surface="home")).experiment == ""  # no session was told
    for visit in ("v1", "v2", "v3", "v4"):
        told = [shop.engine.decide(Request(user="u1", session=visit, surface="home")) for _ in range(2)]
        assert {one.variant for one in told} == {assign(by_session, visit)}
        assert told[0].session == visit
    told = [shop.engine.decide(Request(user="u1", surface="cart")) for _ in range(20)]
    assert {one.variant for one in told} == {"a", "b"}
    assert all(one.variant == assign(by_request, one.id) for one in told)
    nobody = shop.engine.decide(Request(surface="cart"))
    assert (nobody.user, nobody.experiment) == ("", "slates")


def test_targeting(shop: Shop) -> None:
    shop.run(
        "t", targeting=[{"attribute": "profile.age", "minimum": 18}, {"attribute": "context.device", "in": ["tv"]}]
    )
    for profile, context, wanted in (
        ({"age": "20"}, {"device": "tv"}, "t"),
        ({"age": "17"}, {"device": "tv"}, ""),
        ({"age": "20"}, {}, ""),
        ({}, {"device": "tv"}, ""),
    ):
        assert shop.engine.decide(Request(user="u1", profile=profile, context=context)).experiment == wanted


def test_held_out_users_are_in_none(shop: Shop) -> None:
    shop.run("t", holdout={"share": 0.3, "salt": "q4"})
    for n in range(60):
        told = shop.engine.decide(Request(user=f"u{n}", k=1))
        assert (told.experiment == "") == (bucket("holdout:q4", f"u{n}") < 0.3)


def test_held_out_users_keep_the_policy_of_the_holdout_when_all_has_stopped(shop: Shop) -> None:
    shop.run("t", holdout={"share": 0.3, "policy": "random"})
    held = {f"u{n}": bucket("holdout:", f"u{n}") < 0.3 for n in range(40)}
    told = {user: shop.engine.decide(Request(user=user, k=1)) for user in held}
    assert all((told[user].experiment == "") == held[user] for user in held)
    assert {told[user].policy for user in held if held[user]} == {"random"}
    shop.experiments.stop("t")
    told = {user: shop.engine.decide(Request(user=user, k=1)).policy for user in held}
    assert told == {user: "random" if out else "popular" for user, out in held.items()}
    assert shop.engine.decide(Request(k=1)).policy == "popular"
    mix = {"name": "mix", "design": "interleaving", "policies": ["popular", "random"]}
    shop.experiments.create(mix)
    shop.experiments.start("mix")
    told = {user: shop.engine.decide(Request(user=user, k=1)) for user in held}
    assert all(told[user].experiment == ("" if out else "mix") for user, out in held.items())
    assert {told[user].policy for user in held if held[user]} == {"random"}
    shop.experiments.stop("mix")
    shop.now += 1
    shop.run("next")
    assert {shop.engine.decide(Request(user=user, k=1)).experiment for user in held} == {"next"}
    with pytest.raises(SettingError, match="the holdout wants the policy 'gone', which release 'one' lacks"):
        shop.run("late", holdout={"share": 0.3, "policy": "gone"}, traffic=0.1)


def test_dates_go_by_the_time_of_the_request(shop: Shop) -> None:
    shop.run("t", starts="2023-11-14T22:13:21Z", ends="2023-11-14T22:13:25Z")  # NOW is 22:13:20
    seen = [shop.engine.decide(Request(user="u1", time=NOW + n)).experiment for n in (0, 1, 4.9, 5)]
    assert seen == ["", "t", "t", ""]
    with pytest.raises(ConflictError, match=r"experiment 'late' ends at 2023-11-14T22:13:00\+00:00, which is over"):
        shop.run("late", ends="2023-11-14T22:13:00Z", layer="late", surfaces=["x"])


def test_none_shows_nothing_and_is_kept(shop: Shop) -> None:
    variants = {"none": {"policy": "none", "control": True}, "b": {"policy": "random"}}
    with pytest.raises(SettingError, match="variant 'none' shows nothing, and click rate counts what is shown; under"):
        shop.run("t", variants=variants)
    shop.run("t", variants=variants, primary="orders_per_user", planned_users=1000)
    told = [shop.engine.recommend(Request(user=f"u{n}", k=3)) for n in range(20)]
    empty = [one for one in told if one.variant == "none"]
    assert 0 < len(empty) < 20
    assert {(one.items, one.policy, one.fallback) for one in empty} == {((), "none", "")}
    assert all(len(one.items) == 3 for one in told if one.variant == "b")
    assert shop.store.decisions(experiment="t").height == 20
    bought = [Event(one.user, "i7", "purchase", NOW + n, 5.0) for n, one in enumerate(told)]
    shop.store.append_events(bought)
    readout = read_trial(shop.store, "t", NOW + 60).readout
    assert readout.users["none"] == len(empty)
    values = {(one.metric, one.variant): one.value for one in readout.values}
    assert values["orders_per_user", "none"] == values["orders_per_user", "b"] == 1.0
    assert values["spend_per_user", "none"] == 5.0
    assert values["revenue_per_user", "none"] == 0.0  # nothing was shown, so nothing shown was bought


def test_testers_get_what_they_ask_for_and_are_not_counted(shop: Shop) -> None:
    test = shop.run("t", traffic=0.2, forced={"tester": "b"}, holdout={"share": 0.1})
    other = shop.run("other", traffic=0.8, holdout={"share": 0.1})
    assert other.offset == 0.2
    told = shop.engine.recommend(Request(user="tester", k=1))
    assert (told.experiment, told.variant, told.forced) == ("t", "b", True)
    inside = [f"u{n}" for n in range(200) if bucket("layer:default", f"u{n}") < 0.2]
    inside = [user for user in inside if bucket("holdout:", user) >= 0.1]
    for user in inside:
        shop.engine.recommend(Request(user=user, k=1))
    asked = shop.engine.recommend(Request(user=inside[0], k=1, force={"t": "a"}))
    assert (asked.variant, asked.forced) == ("a", True)
    readout = read_trial(shop.store, "t", NOW).readout
    assert readout.total_users == len(inside) - 1
    said = {check.name: check.sentence for check in readout.checks}
    assert said["forced"] == "2 users were given a variant by hand and are left out."
    assert readout.crossovers == 0
    assert sum(readout.split.counts.values()) == len(inside) - 1
    for force, message in (
        ({"tt": "a"}, r"no experiment 'tt' runs. Did you mean 't'"),
        ({"t": "c"}, r"experiment 't' has no variant 'c'. Valid: a, b"),
    ):
        with pytest.raises(SettingError, match=message):
            shop.engine.decide(Request(user="u1", force=force))
    assert test.forced == {"tester": "b"}


def test_a_ramp_widens_and_keeps_who_was_in(shop: Shop) -> None:
    shop.run("t", ramp=[{"share": 0.2, "hours": 1}, {"share": 0.6}], minimum_users=2, planned_users=100)
    users = [f"u{n}" for n in range(200)]
    first = {user: shop.engine.recommend(Request(user=user, k=1)) for user in users}
    inside = {user: one.variant for user, one in first.items() if one.experiment}
    shop.store.append_events([Event(user, "i1", "click", NOW, id=f"c-{user}") for user in inside])
    assert 20 < len(inside) < 60
    record = shop.store.experiments.get("t")
    assert not is_due(record, shop.now)
    assert shop.experiments.step("t").move == "stay"
    shop.now += 3600
    assert is_due(record, shop.now)
    shop.experiments.follow_ramps()
    assert shop.store.experiments.get("t").step == 1
    with pytest.raises(ConflictError, match="is on step 2 already"):
        shop.store.experiments.widen("t", 0)
    second = {user: shop.engine.decide(Request(user=user, k=1)) for user in users}
    wider = {user: one.variant for user, one in second.items() if one.experiment}
    assert 90 < len(wider) < 150
    assert {user: wider[user] for user in inside} == inside
    shop.experiments.follow_ramps()  # the last step has no end
    line = shop.store.audit.lines(1)[0]
    assert (line.actor, line.action, line.subject) == ("recloop serve", "widen experiment", "t")
    assert line.detail == "From 20% to 60% of the traffic: no harm is seen."


def test_a_ramp_stops_by_itself_on_harm(shop: Shop) -> None:
    shop.run("t", ramp=[{"share": 0.8, "hours": 1}, {"share": 1.0}], planned_users=300)
    for n in range(600):
        told = shop.engine.recommend(Request(user=f"u{n}", k=1))
        if told.variant == "a" or (told.variant == "b" and n % 10 == 0):
            click = Event(f"u{n}", told.items[0].item, "click", NOW + 1, decision=told.id)
            shop.store.append_events([click])
    shop.now += 3600
    shop.experiments.follow_ramps()
    assert shop.store.experiments.get("t").state == "stopped"
    line = shop.store.audit.lines(1)[0]
    assert (line.action, line.actor) == ("experiment stopped", "recloop serve")
    assert line.detail.startswith("Stopped at 80% of the traffic. b does harm: its click rate is")
    assert shop.engine.decide(Request(user="u1")).experiment == ""
    with pytest.raises(ConflictError, match="only one that runs has a ramp"):
        follow_ramp(shop.store, "t", shop.now)


def test_a_change_is_a_new_version(shop: Shop) -> None:
    shop.run("t", alpha=0.05)
    revised = shop.experiments.revise("t", {"alpha": 0.01, "traffic": 0.5}, actor="ada")
    assert (revised.name, revised.state, revised.definition["version"]) == ("t.2", "draft", 2)
    line = shop.store.audit.lines(1)[0]
    assert (line.actor, line.action, line.subject) == ("ada", "revise experiment", "t.2")
    assert line.detail == "of t: traffic 1.0 -> 0.5, alpha 0.05 -> 0.01"
    assert Experiment.parse(shop.store.experiments.get("t").definition).alpha == 0.05
    with pytest.raises(ConflictError, match="version 1 of 't' runs"):
        shop.experiments.start("t.2")
    shop.experiments.stop("t")
    shop.experiments.start("t.2")
    seen = {shop.engine.decide(Request(user=f"u{n}", k=1)).experiment for n in range(20)}
    assert seen == {"", "t.2"}
    third = revise_experiment(shop.store, "t", {"alpha": 0.1})  # of the newest version, whichever is named
    assert (third.name, third.definition["traffic"]) == ("t.3", 0.5)
    with pytest.raises(SettingError, match=r"nothing of 't.3' changes"):
        revise_experiment(shop.store, "t.2", {"alpha": 0.1})
    with pytest.raises(SettingError, match="the revision is named 'x'; it keeps the name 't'"):
        revise_experiment(shop.store, "t", {"name": "x"})
    with pytest.raises(SettingError, match="Did you mean 'alpha'"):
        revise_experiment(shop.store, "t", {"alfa": 0.1})
    with pytest.raises(MissingError, match="there is no experiment 'u'"):
        revise_experiment(shop.store, "u", {"alpha": 0.1})


def test_a_policy_that_is_not_there(shop: Shop, release: Release) -> None:
    create_experiment(shop.store, {"name": "t", "variants": {**VARIANTS, "c": {"policy": "nonne"}}})
    with pytest.raises(SettingError, match=r"variant 'c' wants the policy 'nonne'.*Did you mean 'none'"):
        start_experiment(shop.store, "t", release)


def test_a_session_experiment_is_read_by_user(shop: Shop) -> None:
    shop.run("t", unit="session", minimum_users=10, planned_users=60)
    for user in range(60):
        for visit in range(4):
            told = shop.engine.recommend(Request(user=f"u{user}", session=f"{user}.{visit}", k=1))
            if told.variant == "b" or visit == 0:
                shop.store.append_events([Event(f"u{user}", told.items[0].item, "click", NOW + 1, decision=told.id)])
    trial = read_trial(shop.store, "t", NOW + 5)
    readout = trial.readout
    assert sum(readout.split.counts.values()) == 240  # sessions, not users
    assert "of sessions (planned 50.0%)" in readout.split.sentence
    said = {check.name: check for check in readout.checks}
    assert said["crossover"].level == "green"
    assert "Each session is assigned, so" in said["crossover"].sentence
    assert (readout.crossovers, readout.lifts) == (0, ())
    (found,) = readout.of("slate_ctr")
    assert found.fixed.method == "ratio, delta method, users of both arms"
    assert found.fixed.low > 0.5
    assert trial.scorecard is not None


def test_nothing_runs() -> None:
    assert assigning([])(Request(user="u", id="r", time=0.0)) is None
    test = Experiment.parse({"name": "t", "variants": VARIANTS, "starts": "2023-01-01T00:00:00Z"})
    assert assigning([Running(test)])(Request(user="u", id="r")) is None  # nobody knows when it is
