"""An interleaving test from its definition to its sentence: through the engine, over HTTP's use cases, by commands."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.engine import Engine
from recloop.app.experiments import Experiments
from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.errors import ConflictError, SettingError
from recloop.loop.release import Release, build_release, load
from recloop.store import Store
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Event, Request

from .shell import recloop, release_in

ITEMS = 30
LIKED = 1 / np.arange(1, ITEMS + 1) ** 0.8  # item 0 is liked most, and most often in the log


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    rng = np.random.default_rng(3)
    log = pl.DataFrame(
        {
            "user": [f"u{n // 5}" for n in range(600)],
            "item": [f"i{item}" for item in rng.choice(ITEMS, 600, p=LIKED / LIKED.sum())],
            "time": np.arange(600.0),
        }
    )
    shop = Dataset.of(log, pl.DataFrame({"item": [f"i{n}" for n in range(ITEMS)]}))
    strategies = {"popular": Popular().fit(shop), "random": Random().fit(shop), "item-knn": ItemKNN().fit(shop)}
    folder = build_release(
        tmp_path_factory.mktemp("release") / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies=strategies,
        policies={name: SlateConfig(sources=[name], fallback="") for name in strategies},
        default_policy="popular",
        created=0.0,
    )
    return load(folder)


class Site:
    """A store, an engine and users who click what they like, the higher the likelier."""

    def __init__(self, folder: Path, release: Release) -> None:
        self.now = 1000.0
        self.store = Store(folder / "store.db", clock=lambda: self.now)
        numbers = iter(range(100_000))
        self.engine = Engine(self.store, release, seed=1, clock=lambda: self.now, ids=lambda: f"d{next(numbers)}")
        self.experiments = Experiments(self.store, self.engine, clock=lambda: self.now)
        self.rng = np.random.default_rng(11)

    def visit(self, user: str, k: int = 5) -> None:
        self.now += 1
        decision, _ = self.engine.submit(Request(user=user, k=k))
        clicks = [
            Event(user, entry.item, "click", self.now, id=f"{decision.id}.{place}", decision=decision.id)
            for place, entry in enumerate(decision.items)
            if self.rng.random() < LIKED[int(entry.item[1:])] / (1 + place) ** 0.5
        ]
        if clicks:
            self.store.append_events(clicks)
        self.last = decision


@pytest.fixture
def site(tmp_path: Path, release: Release):
    made = Site(tmp_path, release)
    yield made
    made.store.close()


@pytest.mark.parametrize("method", ["team-draft", "optimised"])
def test_two_policies_on_real_slates(site: Site, method: str) -> None:
    site.experiments.create(
        {
            "name": "home",
            "design": "interleaving",
            "policies": ["random", "popular"],
            "method": method,
            "planned_users": 120,
            "minimum_users": 40,
        },
        actor="ann",
    )
    site.experiments.start("home", actor="ann")
    for visit in range(240):
        site.visit(f"u{visit % 120}")
    assert (site.last.experiment, site.last.variant, site.last.policy) == ("home", "interleaved", "interleaving home")
    assert {entry.source for entry in site.last.items} <= {"random", "popular"}
    assert 0 < site.last.propensity < 1
    readout, verdict = site.experiments.read_out("home")
    assert verdict.verdict == "prefer"
    assert verdict.treatment == "popular"
    assert verdict.sentence.startswith("Prefer popular. It earned ")
    assert (readout.users, readout.slates, readout.skipped) == (120, 240, 0)
    assert json.loads(json.dumps(readout.to_dict()))["verdict"]["treatment"] == "popular"
    site.experiments.stop("home", actor="ann")
    site.visit("u1")
    assert (site.last.experiment, site.last.policy, site.last.arm) == ("", "popular", "")


def test_three_policies(site: Site) -> None:
    site.experiments.create(
        {
            "name": "three",
            "design": "interleaving",
            "policies": ["random", "popular", "item-knn"],
            "method": "pairwise",
            "planned_users": 80,
            "minimum_users": 40,
        }
    )
    site.experiments.start("three")
    for visit in range(160):
        site.visit(f"u{visit % 80}")
    readout, _ = site.experiments.read_out("three")
    assert readout.of("popular", "random").preferred(0.05) == "popular"
    assert len(readout.preferences) == 3


def test_where_a_policy_fails_another_answers_and_the_slate_is_left_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.experiments.create(
        {"name": "home", "design": "interleaving", "policies": ["item-knn", "random"], "minimum_users": 2}
    )
    site.experiments.start("home")
    site.visit("u1")
    release = site.engine.release
    assert release is not None

    def fail(*_: object, **__: object) -> None:
        raise FloatingPointError

    monkeypatch.setattr(release.policies["item-knn"], "choose", fail)
    site.visit("u2")
    assert (site.last.fallback, site.last.arm, len(site.last.items)) == ("popular", "", 5)
    readout, _ = site.experiments.read_out("home")
    assert (readout.slates, readout.skipped) == (1, 1)


def test_what_cannot_run(site: Site) -> None:
    site.experiments.create({"name": "home", "design": "interleaving", "policies": ["popular", "randm"]})
    with pytest.raises(SettingError, match=r"place 2 of 'home' wants the policy 'randm', .* Did you mean 'random'"):
        site.experiments.start("home")
    with pytest.raises(ConflictError, match="there is an experiment 'home' already"):
        site.experiments.create({"name": "home", "design": "interleaving", "policies": ["popular", "random"]})


def test_by_commands(ran: Path) -> None:
    recloop("releases", "promote", release_in(ran))
    Path("mix.toml").write_text('name = "mix"\ndesign = "interleaving"\npolicies = ["popular", "random"]\n')
    assert recloop("experiments", "create", "mix.toml").code == 0
    assert "popular, random" in recloop("experiments", "list").out
    assert recloop("experiments", "start", "mix").code == 0
    assert "Keep running. It is too early to say anything" in " ".join(
        recloop("experiments", "readout", "mix").out.split()
    )
    told = json.loads(recloop("experiments", "readout", "mix", "--json").out)
    assert told["verdict"]["verdict"] == "keep_running"
    assert told["readout"]["policies"] == ["popular", "random"]
    for command in ("decide", "log"):
        refused = recloop("experiments", command, "mix")
        assert refused.code == 5
        assert "'mix' is an interleaving test; it says what users prefer, and ships nothing" in refused.err


def test_it_runs_alone_and_is_revised(site: Site) -> None:
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "random"}}
    site.experiments.create({"name": "split", "variants": variants})
    site.experiments.create({"name": "home", "design": "interleaving", "policies": ["popular", "random"]})
    site.experiments.start("home")
    site.experiments.follow_ramps()
    with pytest.raises(ConflictError, match="experiment 'home' runs; an interleaving test runs alone"):
        site.experiments.start("split")
    with pytest.raises(ConflictError, match="'home' is an interleaving test; it has no ramp"):
        site.experiments.step("home")
    site.experiments.stop("home")
    assert site.experiments.revise("home", {"method": "balanced"}).name == "home.2"
    site.experiments.start("home.2")
    site.visit("u1")
    assert (site.last.experiment, site.last.policy) == ("home.2", "interleaving home.2")
    assert site.experiments.read_out("home.2")[0].slates == 1
    site.visit("")
    assert site.last.experiment == ""
    with pytest.raises(SettingError, match="the revision is named 'other'; it keeps the name 'home'"):
        site.experiments.revise("home", {"name": "other"})
