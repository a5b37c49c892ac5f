"""Decisions carried out over a real store and release: written down, applied where allowed, finished when cut off."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app import decision
from recloop.app.decision import decide_experiment, decision_log
from recloop.app.readout import aa_p_values, read_trial
from recloop.cli.main import main
from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.errors import ConflictError, DataError, MissingError
from recloop.experiments import Experiment
from recloop.loop.promote import promote, promote_policy
from recloop.loop.release import build_release, load
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Decision, Event, SlateItem

USERS, DAY = 600, 86400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    log = pl.DataFrame(
        {"user": [f"u{n // 5}" for n in range(200)], "item": [f"i{n}" for n in rng.integers(0, 20, 200)],
         "time": np.arange(200.0)}
    )  # fmt: skip
    shop = Dataset.of(log)
    return build_release(
        tmp_path / "runs" / "release",
        name="1-first",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop), "random": Random().fit(shop)},
        policies={name: SlateConfig(sources=[name], fallback="") for name in ("popular", "random")},
        default_policy="random",
        created=0.0,
    )


@pytest.fixture
def store(tmp_path: Path, folder: Path) -> Iterator[Store]:
    with Store(tmp_path / "recloop.db", clock=lambda: 5 * DAY) as store:
        promote(store, folder, actor="ann")
        yield store


def run(store: Store, old: float, new: float, name: str = "home", **settings: object) -> None:
    """An experiment of a random against a popular order, and what its users did over three days."""
    variants = {"old": {"policy": "random", "control": True}, "new": {"policy": settings.pop("policy", "popular")}}
    test = Experiment.parse({"name": name, "variants": variants, "planned_users": USERS, **settings})
    store.experiments.add(name, test.to_dict())
    store.experiments.start(name)
    rng = np.random.default_rng(1)
    decisions, events = [], []
    for n in range(USERS):
        variant, chance = ("old", old) if n % 2 else ("new", new)
        for day in range(3):
            id_, time = f"{name}{n}-{day}", day * DAY + n
            slate = (SlateItem(item="i1", score=1.0, source="popular"),)
            decisions.append(
                Decision(
                    id=id_, user=f"u{n}", time=time, items=slate, experiment=name, variant=variant, policy="popular",
                    propensity=1.0, release="1-first", latency=0.01,
                )
            )  # fmt: skip
            if rng.random() < chance:
                events.append(Event(f"u{n}", "i1", "click", time + 5, id=f"e{id_}", decision=id_))
    store.append_decisions(decisions)
    store.append_events(events)


def decide(store: Store, *, apply: bool = True) -> decision.Decided:
    return decide_experiment(store, "home", 5 * DAY, actor="timer", apply=apply)


def test_harm_stops_it(store: Store) -> None:
    run(store, old=0.5, new=0.2)
    looked = decide(store, apply=False)
    assert (looked.entry.verdict, looked.entry.action, looked.applied) == ("roll_back", "none", False)
    assert store.experiments.get("home").state == "running"
    done = decide(store)
    assert (done.entry.action, done.applied) == ("stop", True)
    assert store.experiments.get("home").state == "stopped"
    assert store.releases.active().name == "1-first"
    entries = decision_log(store, "home")
    assert [(one.actor, one.verdict, one.action, one.users) for one in entries] == [
        ("timer", "roll_back", "none", USERS), ("timer", "roll_back", "stop", USERS)
    ]  # fmt: skip
    assert entries[0].data == entries[1].data == done.trial.readout.data
    assert entries[1].reason == done.trial.verdict.sentence
    assert entries[1].p_value < 1e-4


def test_nothing_happens_that_the_definition_does_not_allow(store: Store) -> None:
    run(store, old=0.5, new=0.2, auto_stop=False)
    assert decide(store).entry.reason == "It does harm; a person stops it, since auto_stop is false."
    assert store.experiments.get("home").state == "running"


def test_a_winner_waits_for_a_person(store: Store) -> None:
    run(store, old=0.2, new=0.5)
    done = decide(store)
    assert (done.entry.verdict, done.applied) == ("ship", False)
    assert "a person promotes it, since auto_promote is false" in done.entry.reason
    assert store.releases.active().name == "1-first"


def test_a_winner_gets_all_users_where_the_plan_says_so(store: Store) -> None:
    run(store, old=0.2, new=0.5, auto_promote=True)
    assert decide(store).entry.action == "promote"
    active = store.releases.active()
    assert active.name == "2-popular"
    assert load(Path(active.path)).default_policy == "popular"
    assert store.experiments.get("home").state == "stopped"
    # whoever rolls it back has the last word, whatever a timer does
    store.releases.rollback(actor="ann")
    assert decide(store).entry.reason == "It has stopped already."
    assert store.releases.active().name == "1-first"


def test_a_decision_cut_off_after_the_promotion_is_finished_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store, old=0.2, new=0.5, auto_promote=True)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store.experiments, "decide", killed)
        with pytest.raises(KeyboardInterrupt):
            decide(store)
    assert (store.releases.active().name, store.experiments.get("home").state) == ("2-popular", "running")
    assert decide(store).applied
    assert [line.subject for line in store.audit.about("promote release", "2-popular")] == ["2-popular"]
    assert store.experiments.get("home").state == "stopped"


def test_putting_a_policy_in_charge_may_be_repeated(store: Store, folder: Path) -> None:
    first = promote_policy(store, folder, "popular", actor="ann")
    assert promote_policy(store, folder, "popular", actor="ann") == first
    assert promote_policy(store, Path(first.path), "popular", actor="ann") == first
    assert len(store.releases.all()) == 2
    store.releases.rollback()
    assert promote_policy(store, folder, "popular", actor="ann").name == first.name


def test_a_draft_is_not_decided(store: Store) -> None:
    test = Experiment.parse(
        {"name": "home", "variants": {"a": {"policy": "random", "control": True}, "b": {"policy": "popular"}}}
    )
    store.experiments.add("home", test.to_dict())
    with pytest.raises(ConflictError, match="experiment 'home' is a draft"):
        decide(store)
    with pytest.raises(MissingError, match=r"no experiment 'hom'. Did you mean 'home'"):
        decision_log(store, "hom")


def test_users_known_from_before_make_segments_and_covariates(store: Store) -> None:
    run(store, old=0.2, new=0.4)
    users = pl.DataFrame(
        {"user": [f"u{n}" for n in range(USERS)], "tier": ["free" if n % 3 else "paid" for n in range(USERS)],
         "visits": np.arange(USERS) % 7}
    )  # fmt: skip
    readout = read_trial(store, "home", 5 * DAY, users=users).readout
    assert {one.name for one in readout.checks} == {
        "traffic", "crossover", "traffic by segment", "balance", "influence", "interference", "segments", "novelty"
    }  # fmt: skip
    assert {(one.column, one.value) for one in readout.segments.effects} == {("tier", "free"), ("tier", "paid")}
    with pytest.raises(DataError, match="600 rows of the users repeat a user"):
        read_trial(store, "home", 5 * DAY, users=pl.concat([users, users]))
    with pytest.raises(DataError, match="the users have the columns clicks, which the table has; rename"):
        read_trial(store, "home", 5 * DAY, users=users.rename({"visits": "clicks"}))


def test_aa_experiments_are_known_by_their_policies(store: Store) -> None:
    run(store, old=0.2, new=0.2, policy="random")
    decide(store)
    assert aa_p_values(store, "home") is None
    (p,) = aa_p_values(store, "other")
    assert 0 < p <= 1


def test_the_commands(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(store, old=0.5, new=0.2)
    pl.DataFrame({"user": ["u1", "u2"], "tier": ["free", "paid"]}).write_csv("users.csv")

    def typed(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        said = capsys.readouterr()
        assert left.value.code == 0, said.err
        return said.out

    assert "No decision yet" in typed("experiments", "log", "home")
    assert "Roll back new." in typed("experiments", "decide", "home", "--users", "users.csv")
    found = json.loads(typed("experiments", "decide", "home", "--apply", "--json"))
    assert (found["applied"], found["entry"]["action"]) == (True, "stop")
    assert "It has stopped already." in typed("experiments", "decide", "home", "--apply")
    shown = typed("experiments", "log", "home")
    assert shown.count("roll_back") == 3
    assert found["entry"]["data"][:12] in shown
    listed = json.loads(typed("experiments", "log", "home", "--json"))
    assert [one["action"] for one in listed] == ["none", "stop", "none"]
