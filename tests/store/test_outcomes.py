"""The log of outcomes: each decision is settled once, by rules, and folding it again gives the same state."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from recloop.store import Store
from recloop.store.outcomes import Doubts, Outcome, Rewarded
from recloop.types import Decision, Event, Feedback, SlateItem

CLICKS = Rewarded(("click", "purchase"), 100.0)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    database: Callable[[str], str] = request.getfixturevalue("postgres_schema")
    return database(f"outcomes_{tmp_path.name}")


def decision(name: str, time: float, arm: str = "left", **more: object) -> Decision:
    values = {"policy": "bandit", "release": "r1", "arm": arm} | more
    return Decision(name, "ann", time, (), **values)  # type: ignore[arg-type]


def event(name: str, decided: str | None, time: float, kind: str = "click") -> Event:
    return Event("ann", "i", kind, time, id=name, decision=decided)


def count(state: dict[str, list[float]] | None, outcomes: Sequence[Outcome]) -> dict[str, list[float]]:
    found = {arm: list(pair) for arm, pair in (state or {}).items()}
    for outcome in outcomes:
        pair = found.setdefault(outcome.arm, [0.0, 0.0])
        pair[0] += outcome.reward
        pair[1] += 1 - outcome.reward
    return found


def test_a_decision_is_settled_once(url: str) -> None:
    clock = Clock()
    with Store(url, clock=clock) as store:

        def follow() -> object:
            return store.outcomes.follow("r1", "bandit", CLICKS, count)

        assert follow() is None
        store.append_decisions([decision("d1", 1000.0), decision("d2", 1000.0, "right"), decision("d3", 1050.0)])
        # not theirs: no arm, by hand, another policy, another release
        store.append_decisions([
            decision("x1", 1000.0, ""), decision("x2", 1000.0, forced=True),
            decision("x3", 1000.0, policy="other"), decision("x4", 1000.0, release="r2"),
        ])  # fmt: skip
        assert follow() is None  # their windows are open
        store.append_events(
            [event("e1", "d2", 999.0), event("e2", "d2", 1002.0, "purchase"), event("e3", "d1", 1003.0, "view")]
        )
        store.append_events([event("e4", "x3", 1003.0), event("e5", None, 1003.0), event("e6", "nobody", 1003.0)])
        assert follow() is None  # what is rewarded waits as what is not: else an arm would win first and lose later
        clock.now = 1100.0
        assert follow() == {"right": [1.0, 0.0], "left": [0.0, 1.0]}  # d1: its window is over; a view is no reward
        store.append_events([event("e7", "d1", 1090.0)])  # too late: it happened in time, and came after the end
        store.append_events([event("e8", "d3", 1150.0)])  # it came in time, and happened after the end
        clock.now = 1149.0
        store.append_events([event("e9", "d3", 1149.0)])
        assert follow() == {"right": [1.0, 0.0], "left": [0.0, 1.0]}
        clock.now = 1150.0
        assert follow() == {"right": [1.0, 0.0], "left": [1.0, 1.0]}  # once
        assert follow() == {"right": [1.0, 0.0], "left": [1.0, 1.0]}
        outcomes = store.outcomes.read("r1", "bandit")
        assert outcomes == [Outcome("d1", "left", 0.0), Outcome("d2", "right", 1.0), Outcome("d3", "left", 1.0)]
        assert count(None, outcomes) == store.policy_states.get("r1", "bandit")
        assert store.outcomes.read("r1", "other") == []


def test_a_late_decision_is_not_overlooked(url: str) -> None:
    """One that happened long ago and came after newer ones were settled."""
    clock = Clock()
    with Store(url, clock=clock) as store:
        store.append_decisions([decision("d1", 900.0)])
        assert store.outcomes.follow("r1", "bandit", CLICKS, count) == {"left": [0.0, 1.0]}
        store.append_decisions([decision("d2", 1.0), decision("d3", 2000.0)])
        assert store.outcomes.follow("r1", "bandit", CLICKS, count) == {"left": [0.0, 2.0]}
        assert store.outcomes.follow("r1", "bandit", Rewarded((), 100.0), count) == {"left": [0.0, 2.0]}
        store.append_events([event("e1", "d3", 2001.0, "anything")])
        clock.now = 2100.0
        assert store.outcomes.follow("r1", "bandit", Rewarded((), 100.0), count) == {"left": [1.0, 2.0]}


def test_many_followers_lose_nothing(url: str) -> None:
    """While decisions and events come in on several stores, several fold; the state is that of a replay."""
    with Store(url) as one, Store(url) as other, ThreadPoolExecutor(8) as pool:
        jobs = []
        for number in range(120):
            store = (one, other)[number % 2]
            arm = ("left", "right")[number % 3 == 0]

            def live(store: Store = store, number: int = number, arm: str = arm) -> None:
                if number % 4:  # before the decision, whose window ended long ago: it is settled as soon as it is there
                    store.append_events([event(f"e{number}-{n}", f"d{number}", 1e9 + 1) for n in range(number % 4)])
                store.append_decisions([decision(f"d{number}", 1e9, arm)])

            jobs += [pool.submit(live), pool.submit(store.outcomes.follow, "r1", "bandit", CLICKS, count)]
        for job in jobs:
            job.result(timeout=60)
        state = other.outcomes.follow("r1", "bandit", CLICKS, count)
        assert state == {"left": [60.0, 20.0], "right": [30.0, 10.0]}
        assert state == one.policy_states.get("r1", "bandit") == count(None, other.outcomes.read("r1", "bandit"))
        assert len(other.outcomes.read("r1", "bandit")) == 120


def test_a_fold_that_fails_changes_nothing(url: str) -> None:
    def broken(_state: object, _outcomes: Sequence[Outcome]) -> object:
        raise ValueError("no")

    with Store(url, clock=Clock()) as store:
        store.append_decisions([decision("d1", 1.0)])
        with pytest.raises(ValueError, match="no"):
            store.outcomes.follow("r1", "bandit", CLICKS, broken)
        assert store.outcomes.read("r1", "bandit") == []
        assert store.outcomes.follow("r1", "bandit", CLICKS, count) == {"left": [0.0, 1.0]}


def test_a_state_that_is_put_by_hand_keeps_its_place(url: str) -> None:
    with Store(url, clock=Clock()) as store:
        store.append_decisions([decision("d1", 1.0)])
        store.outcomes.follow("r1", "bandit", CLICKS, count)
        store.policy_states.put("r1", "bandit", {"left": [5.0, 5.0]})
        store.append_decisions([decision("d2", 1.0)])
        assert store.outcomes.follow("r1", "bandit", CLICKS, count) == {"left": [5.0, 6.0]}


def test_what_is_doubted_or_was_not_looked_at_rewards_nothing(url: str) -> None:
    """A decision whose window is over waits until the log has been searched up to its end."""
    clock = Clock()
    with Store(url, clock=clock) as store:

        def follow(doubts: Doubts | None) -> object:
            return store.outcomes.follow("r1", "bandit", CLICKS, count, doubts)

        start = clock()
        store.append_decisions([decision(name, start) for name in ("d1", "d2", "d3")])
        store.append_events([event("e1", "d1", start + 1), event("e2", "d2", start + 1)])
        clock.now = start + 101.0
        assert follow(Doubts(frozenset({"e2"}), start + 99.0)) is None
        assert follow(Doubts(frozenset({"e2"}), start + 100.0)) == {"left": [1.0, 2.0]}
        rewards = {one.decision: one.reward for one in store.outcomes.read("r1", "bandit")}
        assert rewards == {"d1": 1.0, "d2": 0.0, "d3": 0.0}


def test_an_attack_may_be_as_large_as_it_likes(url: str) -> None:
    """More events than a database takes parameters: 32,766 or 250,000 in SQLite, 65,535 in PostgreSQL."""
    clock = Clock()
    with Store(url, clock=clock) as store:
        store.append_decisions([decision(name, clock()) for name in ("d1", "d2")])
        store.append_events([event("it's 'e1'", "d1", clock() + 1), event("e2", "d2", clock() + 1)])
        store.append_feedback([Feedback("ann", "comment", 1.0, None, "dark", id="f1")])
        clock.now += 200.0
        doubted = frozenset({"it's 'e1'", *(f"bot {number}" for number in range(260_000))})
        assert store.outcomes.follow("r1", "bandit", CLICKS, count, Doubts(doubted, clock())) == {"left": [1.0, 1.0]}
        assert store.texts(["f1", *doubted]) == ["dark"]


def test_it_tells_which_items_were_rewarded_once_the_window_is_over(url: str) -> None:
    clock, by_item = Clock(), CLICKS._replace(by_item=True)
    shown = tuple(SlateItem(name, 1.0) for name in ("x", "i", "y", "z"))
    seen: list[Outcome] = []

    def fold(_: object, outcomes: Sequence[Outcome]) -> int:
        seen.extend(outcomes)
        return len(seen)

    with Store(url, clock=clock) as store:
        made = [decision("d1", 1000.0), decision("d2", 1000.0)]
        store.append_decisions([structs.replace(one, items=shown) for one in made])
        named = structs.replace(event("e2", "d1", 1030.0), item="z")
        elsewhere = structs.replace(event("e3", "d2", 1030.0), item="not on the slate")
        store.append_events([event("e1", "d1", 1020.0), named, elsewhere])
        assert store.outcomes.follow("r1", "bandit", by_item, fold) is None  # another item may follow
        clock.now = 1101.0
        assert store.outcomes.follow("r1", "bandit", by_item, fold) == 2
        assert [(one.reward, one.taken) for one in seen] == [(1.0, (1, 3)), (1.0, ())]
        clock.now = 1200.0
        store.append_events([structs.replace(event("e4", "d1", 1050.0), item="x")])  # too late to count
        assert store.outcomes.read("r1", "bandit", by_item) == seen
        assert [one.taken for one in store.outcomes.read("r1", "bandit")] == [(), ()]
