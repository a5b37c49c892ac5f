"""The laws that every store obeys. Another database passes them in one class."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recloop.errors import ConflictError, MissingError, SettingError, StoreError
from recloop.store import Appended, Store
from recloop.types import Decision, Event, Feedback, SlateItem

NOW = 1_700_000_000.0


def an_event(number: int, user: str = "ann", **more: object) -> Event:
    """An event with an id of its own."""
    values = {"user": user, "item": f"i{number}", "kind": "click", "time": NOW + number, "id": f"e{number}"} | more
    return Event(**values)  # type: ignore[arg-type]


def a_decision(number: int, experiment: str = "") -> Decision:
    """A decision over two items."""
    items = (SlateItem("b", 0.75, "ease"), SlateItem("a", 0.5, "popular"))
    return Decision(
        id=f"d{number}",
        user="ann",
        time=NOW + number,
        items=items,
        policy="blend",
        experiment=experiment,
        variant="x" if experiment else "",
        arm="left",
        propensity=0.25,
        release="r1",
        surface="home",
        fallback="popular",
        latency=0.004,
        session="v1",
        forced=True,
        allocation={"a": 0.25, "b": 0.75},
        context={"context.device": "phone"},
        details={"propensities": [0.5, 0.25]},
    )


class StoreContract(ABC):
    """Subclass, give ``open``, and pytest runs the laws.

    Example:
        ``class TestMine(StoreContract): def open(self, folder, **how): return Store(my_url(folder), **how)``
    """

    @abstractmethod
    def open(self, folder: Path) -> Store:
        """The store of this folder: the same at every call. Its clock stands at ``NOW``."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """An empty store."""
        with self.open(tmp_path) as store:
            yield store

    # ---- the log

    def test_events_come_back_as_they_went_in(self, store: Store) -> None:
        """Every field, in order of arrival."""
        sent = [
            Event("ann", "i1", "rating", NOW, 4.5, "e1", "d1"),
            Event("Zoë \U0001f355", 'quote"\n', "view", NOW - 9.25, None, "e2", None),
        ]
        assert store.append_events(sent) == Appended(2, 0)
        rows = store.events().rows(named=True)
        assert [
            Event(r["user"], r["item"], r["kind"], r["time"], r["value"], r["id"], r["decision"]) for r in rows
        ] == sent
        assert [row["received"] for row in rows] == [NOW, NOW]

    def test_the_same_id_counts_once(self, store: Store) -> None:
        """In one batch, in another batch; the first one stays."""
        assert store.append_events([an_event(1), an_event(1, item="other"), an_event(2)]) == Appended(2, 1)
        assert store.append_events([an_event(2, item="other"), an_event(3)]) == Appended(1, 1)
        assert store.events()["item"].to_list() == ["i1", "i2", "i3"]

    def test_many_callers_at_once_are_counted_exactly(self, store: Store) -> None:
        """Overlapping batches of many threads: each id is accepted by one caller and by one only."""
        batches = [[an_event(number) for number in range(start, start + 30)] for start in range(0, 400, 10)]
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(store.append_events, batches))
        distinct = len({event.id for batch in batches for event in batch})
        assert sum(one.accepted for one in found) == distinct == store.counts()["events"]
        assert sum(one.accepted + one.duplicates for one in found) == sum(map(len, batches))

    def test_an_event_without_id_or_time_gets_them(self, store: Store) -> None:
        """Two such events are two events."""
        assert store.append_events([Event("ann", "i1", "view"), Event("ann", "i1", "view")]) == Appended(2, 0)
        rows = store.events()
        assert rows["id"].n_unique() == 2
        assert rows["time"].to_list() == [NOW, NOW]

    def test_nothing_is_something_that_can_be_sent(self, store: Store) -> None:
        """An empty batch is accepted, and an empty store is read."""
        assert store.append_events([]) == Appended(0, 0)
        assert store.events().height == store.decisions().height == store.feedback().height == 0
        assert store.events().schema["value"].is_float()

    def test_a_wrong_row_hurts_its_caller_alone(self, store: Store) -> None:
        """Half a surrogate pair is no text: its caller is told, and others that were committed with it are not hurt."""
        gate = threading.Event()
        held = store.submit_events([an_event(0)])
        held.add_done_callback(lambda _done: gate.wait(5))  # so that the next three are committed together
        futures = [
            store.submit_events([an_event(number, item=item)]) for number, item in enumerate(("a", "\ud800", "b"), 1)
        ]
        gate.set()
        assert futures[0].result() == futures[2].result() == Appended(1, 0)
        with pytest.raises(UnicodeEncodeError):
            futures[1].result()
        assert store.events()["item"].to_list() == ["i0", "a", "b"]

    def test_a_batch_is_kept_whole_or_not_at_all(self, store: Store) -> None:
        """Where one row cannot be written, none of its batch is."""
        with pytest.raises(UnicodeEncodeError):
            store.append_events([an_event(1), an_event(2, item="\ud800")])
        assert store.counts()["events"] == 0

    def test_a_time_that_is_no_number_is_refused(self, store: Store) -> None:
        """Before anything is written."""
        with pytest.raises(SettingError, match=r"the time of an event is nan. a time is seconds since 1970 in UTC"):
            store.append_events([an_event(1), an_event(2, time=float("nan"))])
        assert store.counts()["events"] == 0

    def test_decisions_come_back_as_they_went_in(self, store: Store) -> None:
        """Items, sources and scores as lists of one length."""
        assert store.append_decisions([a_decision(1), a_decision(1)]) == Appended(1, 1)
        assert store.decisions().to_dicts() == [
            {
                "id": "d1",
                "user": "ann",
                "time": NOW + 1,
                "experiment": "",
                "variant": "",
                "policy": "blend",
                "arm": "left",
                "propensity": 0.25,
                "release": "r1",
                "surface": "home",
                "fallback": "popular",
                "latency": 0.004,
                "items": ["b", "a"],
                "sources": ["ease", "popular"],
                "scores": [0.75, 0.5],
                "session": "v1",
                "forced": True,
                "allocation": '{"a":0.25,"b":0.75}',
                "context": '{"context.device":"phone"}',
                "details": '{"propensities":[0.5,0.25]}',
            }
        ]

    def test_feedback_comes_back_as_it_went_in(self, store: Store) -> None:
        """Ratings and comments."""
        said = [
            Feedback("ann", "rating", NOW, 5.0, item="i1", decision="d1", id="f1"),
            Feedback("bob", "comment", None, None, "too dark", id="f2"),
        ]
        assert store.append_feedback([*said, said[0]]) == Appended(2, 1)
        assert store.feedback().rows() == [
            ("f1", "ann", "rating", NOW, 5.0, "", "i1", "d1"),
            ("f2", "bob", "comment", NOW, None, "too dark", "", ""),
        ]

    def test_reading_a_part(self, store: Store) -> None:
        """By user, experiment and half-open time."""
        store.append_events([an_event(1), an_event(2, user="bob"), an_event(3)])
        store.append_decisions([a_decision(1), a_decision(2, "home"), a_decision(3, "home")])
        assert store.events(user="ann")["id"].to_list() == ["e1", "e3"]
        assert store.events(since=NOW + 1, until=NOW + 3)["id"].to_list() == ["e1", "e2"]
        assert store.decisions(experiment="home", since=NOW + 3)["id"].to_list() == ["d3"]
        assert store.decisions(user="bob").height == 0

    def test_history_is_by_time_and_not_by_arrival(self, store: Store) -> None:
        """The last events, oldest first, though one came late; other users' are left out."""
        store.append_events([an_event(5), an_event(9), an_event(7), an_event(8, user="bob"), an_event(1)])
        ann, nobody = store.histories(["ann", "nobody"], 3)
        assert [event.id for event in ann] == ["e5", "e7", "e9"]
        assert nobody == []
        assert store.histories(["ann"], 1) == [[an_event(9)]]

    def test_what_was_acknowledged_is_there_after_opening_again(self, store: Store, tmp_path: Path) -> None:
        """Closing loses nothing; a closed store says so."""
        futures = [store.submit_events([an_event(number)]) for number in range(50)]
        store.close()
        assert all(future.result() == Appended(1, 0) for future in futures)
        with pytest.raises(StoreError, match=r"the store is closed"):
            store.append_events([an_event(99)])
        with self.open(tmp_path) as again:
            assert again.counts() == {"events": 50, "decisions": 0, "feedback": 0}

    def test_two_stores_on_one_database(self, store: Store, tmp_path: Path) -> None:
        """Both write; the same id still counts once; each sees what the other has written."""
        with self.open(tmp_path) as other, ThreadPoolExecutor(2) as pool:
            found = list(
                pool.map(lambda one: [one.append_events([an_event(number)]) for number in range(100)], (store, other))
            )
            assert sum(one.accepted for part in found for one in part) == 100
            assert store.counts() == other.counts()

    # ---- experiments, releases, keys, states

    def test_who_follows_the_log_sees_each_event_once(self, store: Store, tmp_path: Path) -> None:
        """Whichever process took it, in order of arrival."""
        assert (store.last_arrival(), store.arrivals(0, 9)) == (0, [])
        with self.open(tmp_path) as other:
            for number, taker in enumerate((store, other, other, store)):
                taker.append_events([Event("u", f"i{number}", "view", NOW - number, 2.0, f"e{number}", "d")])
            found = store.arrivals(0, 3)
            assert [event.id for _, event in found] == ["e0", "e1", "e2"]
            assert found[1][1] == Event("u", "i1", "view", NOW - 1, 2.0, "e1", "d")
            rest = store.arrivals(found[-1][0], 3)
            assert [event.id for _, event in rest] == ["e3"]
            assert store.last_arrival() == rest[-1][0]
            assert store.arrivals(rest[-1][0], 3) == []

    def test_the_life_of_an_experiment(self, store: Store) -> None:
        """Draft, running, stopped, and no way back; each step leaves a line."""
        definition = {"name": "home", "variants": {"a": 1, "b": [2.5, None]}}
        assert store.experiments.add("home", definition, actor="me").state == "draft"
        with pytest.raises(ConflictError, match=r"there is an experiment 'home' already"):
            store.experiments.add("home", {})
        with pytest.raises(
            ConflictError, match=r"experiment 'home' is draft. only one that is running can become stopped"
        ):
            store.experiments.stop("home")
        assert store.experiments.start("home", actor="me").started == NOW
        assert store.experiments.get("home") == ("home", definition, "running", NOW, NOW, None, 0, NOW)
        assert store.experiments.stop("home").state == "stopped"
        with pytest.raises(ConflictError, match="is stopped"):
            store.experiments.start("home")
        with pytest.raises(MissingError, match=r"there is no experiment 'hme'. Did you mean 'home'"):
            store.experiments.get("hme")
        lines = [(line.actor, line.action, line.subject) for line in store.audit.lines()]
        assert lines == [
            ("", "experiment stopped", "home"),
            ("me", "experiment running", "home"),
            ("me", "create experiment", "home"),
        ]

    def test_decisions_are_kept_with_what_they_did(self, store: Store) -> None:
        """A line and the end of the experiment are one step, and may be repeated."""
        store.experiments.add("home", {"name": "home"})
        with pytest.raises(ConflictError, match=r"experiment 'home' is a draft"):
            store.experiments.decide("home", {"verdict": "ship"}, stop=True)
        assert store.experiments.decisions("home") == []
        store.experiments.start("home")
        assert store.experiments.decide("home", {"verdict": "keep_running"}, stop=False).state == "running"
        for _ in range(2):
            assert store.experiments.decide("home", {"verdict": "ship"}, stop=True, actor="me").state == "stopped"
        assert [one["verdict"] for one in store.experiments.decisions("home")] == ["keep_running", "ship", "ship"]
        assert store.experiments.decisions("other") == []
        done = [line.action for line in store.audit.lines() if line.actor == "me"]
        assert done == ["decide experiment", "experiment stopped", "decide experiment"]

    def test_releases_are_a_stack(self, store: Store) -> None:
        """Promote and roll back; one release is active."""
        assert store.releases.active() is None
        for name in ("one", "two", "three"):
            store.releases.add(name, f"/{name}", name * 2)
            store.releases.promote(name, actor="me")
        assert [record.active for record in store.releases.all()] == [False, False, True]
        assert store.releases.promote("three").active  # it is so already: no second promotion
        before = store.releases.previous()
        assert before is not None
        assert before.name == "two"
        assert store.releases.rollback(actor="me").name == "two"
        assert store.releases.rollback().name == "one"
        with pytest.raises(ConflictError, match="there is no release to roll back to"):
            store.releases.rollback()
        active = store.releases.active()
        assert active == ("one", "/one", "oneone", NOW, True)
        assert store.audit.lines(1)[0][1:] == ("", "roll back release", "one", "from two")

    def test_a_release_never_changes(self, store: Store) -> None:
        """The same again is nothing new; another content under the name is refused."""
        record = store.releases.add("one", "/one", "11")
        assert store.releases.add("one", "/one", "11") == record
        with pytest.raises(ConflictError, match="a release never changes once it has a name"):
            store.releases.add("one", "/one", "12")
        with pytest.raises(ConflictError, match="the release 'one' lies at /one already; this folder holds the same"):
            store.releases.add("one", "/copy", "11")
        with pytest.raises(MissingError, match=r"there is no release 'oen'. Did you mean 'one'"):
            store.releases.promote("oen")

    def test_keys_open_what_their_scopes_say(self, store: Store) -> None:
        """And nothing once revoked."""
        token = store.keys.create("shop", ["recommend", "events"], actor="me")
        key = store.keys.find(token)
        assert key is not None
        assert key.allows("events")
        assert not key.allows("releases")
        root = store.keys.find(store.keys.create("root", ["admin"]))
        assert root is not None
        assert root.allows("releases")
        for wrong in (token[:-1], token + "x", token.replace(key.id, root.id), key.id, "rlk__", ""):
            assert store.keys.find(wrong) is None
        store.keys.revoke(key.id)
        assert store.keys.find(token) is None
        assert {record.id: record.revoked for record in store.keys.all()} == {key.id: NOW, root.id: None}
        with pytest.raises(SettingError, match=r"there is no scope 'recomend'. Did you mean 'recommend'"):
            store.keys.create("shop", ["recomend"])
        with pytest.raises(MissingError, match="there is no key 'nobody'"):
            store.keys.revoke("nobody")

    def test_policy_states_are_replaced(self, store: Store) -> None:
        """By release and policy."""
        assert store.policy_states.get("r1", "blend") is None
        for state in ({"arms": {"a": [1.0, 0.0]}}, {"arms": {"a": [2.0, 0.5]}}):
            store.policy_states.put("r1", "blend", state)
        store.policy_states.put("r2", "blend", {})
        assert store.policy_states.get("r1", "blend") == {"arms": {"a": [2.0, 0.5]}}
        assert store.policy_states.get("r2", "blend") == {}
