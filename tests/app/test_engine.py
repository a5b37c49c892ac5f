"""The engine without HTTP: histories, assignment, switching, fallback, learning."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from msgspec import structs

from recloop.app.engine import Assignment, Engine, unassigned
from recloop.app.servable import NotReadyError
from recloop.app.watch import Unwatched
from recloop.compose import SlateConfig, ThompsonConfig, build
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import MissingError
from recloop.loop.release import Release, build_release, load
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Decision, Event, Request


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
    catalogue = pl.DataFrame({"item": [f"i{n}" for n in range(20)], "available": [n != 3 for n in range(20)]})
    shop = Dataset.of(log, catalogue)
    arms = {name: SlateConfig(sources=[name], fallback="") for name in ("popular", "random")}
    folder = build_release(
        tmp_path_factory.mktemp("release") / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop), "random": Random().fit(shop)},
        policies={**arms, "bandit": ThompsonConfig(arms=arms)},
        default_policy="popular",
        created=0.0,
    )
    return load(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db", clock=lambda: 1000.0) as store:
        yield store


@pytest.fixture
def engine(store: Store, release: Release) -> Engine:
    numbers = iter(range(10_000))
    return Engine(store, release, seed=1, clock=lambda: 1000.0, ids=lambda: f"d{next(numbers)}")


def shown(engine: Engine, **wish: object) -> set[str]:
    return {entry.item for entry in engine.recommend(Request(**{"k": 20, **wish})).items}


def test_a_decision_is_kept_whole(engine: Engine, store: Store) -> None:
    told = engine.recommend(Request(user="u1", k=2, surface="mail"))
    assert (told.id, told.time, told.policy, told.release, told.surface) == ("d0", 1000.0, "popular", "one", "mail")
    (kept,) = store.decisions().to_dicts()
    assert kept["items"] == [entry.item for entry in told.items]
    assert kept["id"] == "d0"


def test_a_decision_knows_its_context(engine: Engine, store: Store) -> None:
    engine.recommend(Request("ann", profile={"age": "30"}, context={"device": "phone"}))
    assert store.decisions()["context"].to_list() == ['{"profile.age":"30","context.device":"phone"}']


def test_what_is_not_available_is_not_shown(engine: Engine) -> None:
    assert shown(engine) == {f"i{n}" for n in range(20)} - {"i3"}
    assert shown(engine, candidates=("i3", "i4")) == {"i4"}


def test_history_is_followed(engine: Engine, store: Store) -> None:
    assert "i1" in shown(engine, user="new")
    event = Event("new", "i1", "view", 5.0, id="e1")
    store.append_events([event])
    assert "i1" not in shown(engine, user="new"), "whoever stored it: here nobody told the engine"
    engine.observe([event])  # and to be told of it, too, changes nothing
    assert "i1" not in shown(engine, user="new")
    other = Engine(store, engine.release)
    assert "i1" not in shown(other, user="new")  # another one reads it from the store


def test_what_another_process_took_changes_the_next_answer(tmp_path: Path, release: Release) -> None:
    with Store(tmp_path / "store.db", clock=lambda: 1000.0) as ours, Store(tmp_path / "store.db") as theirs:
        engine = Engine(ours, release, seed=1, clock=lambda: 1000.0)
        assert "i1" in shown(engine, user="new")
        theirs.append_events([Event("new", "i1", "view", 5.0), Event("else", "i2", "view", 5.0)])
        assert "i1" not in shown(engine, user="new")
        assert "i2" in shown(engine, user="new")


def test_what_another_process_took_in_bulk_changes_the_next_answer(
    store: Store, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recloop.app.news.MOST", 10)
    engine = Engine(store, release, seed=1, clock=lambda: 1000.0)
    assert "i1" in shown(engine, user="new")
    store.append_events([Event(f"u{n}", "i4", "view", 5.0) for n in range(40)] + [Event("new", "i1", "view", 5.0)])
    assert "i1" not in shown(engine, user="new")
    store.append_events([Event("new", "i5", "view", 6.0)])
    assert not {"i1", "i5"} & shown(engine, user="new")


def test_the_same_seed_draws_the_same_arms(store: Store, release: Release) -> None:
    bandit = replace(release, default_policy="bandit")
    runs = [
        [engine.decide(Request(user=f"u{n}", k=1)).arm for n in range(30)]
        for engine in (Engine(store, bandit, seed=5), Engine(store, bandit, seed=5), Engine(store, bandit, seed=6))
    ]
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {"popular", "random"}


def test_what_a_policy_learned_is_served_and_kept(store: Store, release: Release) -> None:
    bandit = replace(release, default_policy="bandit")
    engine = Engine(store, bandit, seed=5)
    assert engine.decide(Request()).propensity == pytest.approx(0.5)
    state = {"format": 1, "arms": {"popular": [90.0, 10.0], "random": [10.0, 90.0]}}
    engine.learn("bandit", state)
    assert engine.decide(Request()).propensity == pytest.approx(1.0)
    assert Engine(store, bandit, seed=5).decide(Request()).arm == "popular"


def test_assignment_names_the_policy(engine: Engine) -> None:
    engine.run_experiment(
        lambda asked: Assignment("home", f"variant of {asked.user}", "random") if asked.user else None
    )
    told = engine.decide(Request(user="u1"))
    assert (told.experiment, told.variant, told.policy) == ("home", "variant of u1", "random")
    assert engine.decide(Request()).experiment == ""
    engine.run_experiment(unassigned)
    assert engine.decide(Request(user="u1")).policy == "popular"


def test_a_policy_that_the_release_lacks_is_stood_in_for(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.run_experiment(lambda _asked: Assignment("home", "b", "gone"))
    told = engine.decide(Request(user="u1", k=5))
    assert (told.policy, told.fallback, len(told.items)) == ("gone", "popular", 5)
    assert "policy 'gone' failed with MissingError: 'popular' answers" in caplog.text


def test_without_a_release(store: Store, release: Release) -> None:
    engine = Engine(store)
    with pytest.raises(NotReadyError, match="no release is active"):
        engine.recommend(Request())
    with pytest.raises(MissingError, match=r"release 'one' has no policy 'poplar'. Did you mean 'popular'"):
        engine.switch(replace(release, default_policy="poplar"))
    assert engine.release is None


def test_reasons(store: Store, release: Release, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    history = (Event("u", "i1", "view", 1.0), Event("u", "i2", "view", 2.0))
    wish = Request(history=history, k=3, explain=True)
    engine = Engine(store, release, phrase=lambda titles: lambda slate: [f"{len(titles)}: {one.item}" for one in slate])
    told = engine.decide(wish).items
    assert [entry.reason for entry in told] == [f"20: {entry.item}" for entry in told]  # titles are ids here
    assert {entry.reason for entry in engine.decide(structs.replace(wish, explain=False)).items} == {
        "popular with others"
    }

    def fail(*_: object, **__: object) -> None:
        raise FloatingPointError("u1 likes i7")

    monkeypatch.setattr("recloop.app.answering.causes", fail)
    assert {entry.reason for entry in engine.decide(wish).items} == {"popular with others"}
    assert "a slate of policy 'popular' was not explained: FloatingPointError" in caplog.text
    assert "i7" not in caplog.text


def test_an_arm_is_explained_by_its_own_policy(store: Store, release: Release) -> None:
    engine = Engine(store, replace(release, default_policy="bandit"), seed=5)
    told = [engine.decide(Request(history=(Event("u", "i1", "view", 1.0),), k=2, explain=True)) for _ in range(20)]
    said = {decision.arm: {entry.reason for entry in decision.items} for decision in told}
    assert said == {"popular": {"popular with others"}, "random": {"picked at random"}}


def test_a_random_policy_draws_anew_for_each_request(store: Store, release: Release) -> None:
    chance = replace(release, default_policy="random")
    engine = Engine(store, chance, seed=1, clock=lambda: 1000.0)
    slates = {tuple(entry.item for entry in engine.recommend(Request(user="u1", k=5)).items) for _ in range(10)}
    assert len(slates) > 5


def test_requests_that_are_answered_together_get_what_each_gets_alone(store: Store, release: Release) -> None:
    store.append_events([Event(f"u{n}", f"i{(n + m) % 20}", "view", 5.0 + m) for n in range(6) for m in range(n)])
    wishes = [
        Request(user="u1", k=5),
        Request(user="u2", k=5, exclude=("i9", "nobody knows it")),
        Request(user="u3", k=5, candidates=("i1", "i2", "i9")),
        Request(user="u4", k=3),
        Request(user=None, k=5),
        Request(user="u5", k=5, explain=True),
        Request(user="u5", k=5, history=(Event("u5", "i0", "view"),)),
    ]
    together = Engine(store, release, seed=1, clock=lambda: 1000.0).decide_all(wishes)
    one = Engine(store, release, seed=1, clock=lambda: 1000.0)
    for decision, wish in zip(together, wishes, strict=True):
        assert isinstance(decision, Decision)
        alone = one.decide(wish)
        assert decision.items == alone.items
        assert (decision.user, decision.policy, decision.fallback) == (alone.user, alone.policy, alone.fallback)


def test_one_that_cannot_be_answered_does_not_hold_up_the_others(store: Store, release: Release) -> None:
    engine = Engine(store, release, seed=1, clock=lambda: 1000.0)

    def assign(asked: Request) -> Assignment | None:
        if asked.user == "lost":
            raise MissingError("no such experiment")
        return Assignment("home", "b", "gone") if asked.user == "u2" else None

    engine.run_experiment(assign)
    first, lost, other = engine.decide_all([Request(user="u1"), Request(user="lost"), Request(user="u2")])
    assert isinstance(lost, MissingError)
    assert isinstance(first, Decision) and first.fallback == ""
    assert isinstance(other, Decision) and other.fallback == "popular"


def test_a_policy_that_fails_for_one_fails_for_one(
    store: Store, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(store, release, seed=1, clock=lambda: 1000.0)
    engine.run_experiment(lambda _asked: Assignment("home", "b", "random"))
    policy = release.policies["random"]
    choose = policy.choose

    def fails(state, histories, *rest, **more):
        if len(histories.items):
            raise ArithmeticError("of that history")
        return choose(state, histories, *rest, **more)

    monkeypatch.setattr(policy, "choose", fails)
    seen = Request(user="u2", history=(Event("u2", "i1", "view"),))
    first, other = engine.decide_all([Request(user="u1"), seen])
    assert isinstance(first, Decision) and first.fallback == ""
    assert isinstance(other, Decision) and other.fallback == "popular"


def test_a_release_is_warm_before_it_answers(store: Store, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(store)
    warmed: list[tuple[str, object, bool]] = []
    for name, policy in release.policies.items():

        def noticed(state, histories, *rest, name=name, choose=policy.choose, **more):
            warmed.append((name, engine.release, bool(len(histories.items))))
            return choose(state, histories, *rest, **more)

        monkeypatch.setattr(policy, "choose", noticed)
    engine.switch(release)
    assert warmed == [(name, None, True) for name in release.policies]
    assert engine.release is release


def test_a_learned_state_of_another_version_is_told_and_the_fallback_answers(
    store: Store, release: Release, caplog: pytest.LogCaptureFixture
) -> None:
    store.policy_states.put(release.name, "bandit", {"format": 99})
    engine = Engine(store, replace(release, default_policy="bandit"), seed=1, clock=lambda: 1000.0)
    told = engine.decide(Request(user="u1", k=5))
    assert (told.policy, told.fallback, len(told.items)) == ("bandit", "popular", 5)
    assert told.details == {"failed": {"bandit": "SettingError"}}
    assert "policy 'bandit' cannot use what it learned: the state of the policy has the format 99" in caplog.text


class Slow(Popular):
    """Answers when the test lets it."""

    name = "slow"

    asked = 0
    gate = threading.Event()
    gate.set()

    def _score(self, histories: Histories) -> np.ndarray:
        Slow.asked += 1
        assert self.gate.wait(30)
        return super()._score(histories)

    def _best(self, *_: object) -> None:
        """Every item is scored."""


def test_a_late_source_is_told_and_an_explanation_does_not_wait_for_it(
    store: Store, release: Release, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Slow()
    vars(slow).update(vars(release.strategies["popular"]))  # fitted on the same log
    config = SlateConfig(sources=["slow", "random"], budget=0.1)
    policies = {**release.policies, "mixed": build(config, {**release.strategies, "slow": slow})}
    counted: list[tuple[str, str]] = []

    class Counting(Unwatched):
        def failed(self, policy: str, strategy: str) -> None:
            counted.append((policy, strategy))

    engine = Engine(store, replace(release, policies=policies), watch=Counting(), clock=lambda: 1000.0)
    engine.run_experiment(lambda _request: Assignment("", "", "mixed"))
    Slow.gate.clear()  # a release is warmed before it answers, and that waits
    Slow.asked = 0
    told = engine.recommend(Request("u1", history=(Event("u1", "i1", "view", 1.0),), k=3, explain=True))
    Slow.gate.set()
    assert Slow.asked == 1, "while it has not ended it is not asked again, to explain neither"
    assert (told.fallback, len(told.items)) == ("popular", 3)
    assert told.details["failed"] == {"slow": "it did not answer within 0.1 seconds"}
    assert json.loads(store.decisions()["details"][0])["failed"] == told.details["failed"]
    assert counted == [("mixed", "slow")]
    assert "strategy 'slow' failed for 1 of 1 requests: it did not answer within 0.1 seconds" in caplog.text
