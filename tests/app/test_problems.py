"""The problem finder over a store: what users did before an experiment is taken out, and each log is read once."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace
from sqlalchemy import Table

from recloop.app.problems import BOUGHT, Wish, problems_in_store
from recloop.app.read_once import COLUMNS, ReadOnce
from recloop.app.readout import read_trial
from recloop.errors import MissingError
from recloop.experiments import Experiment
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

DAY, START, USERS = 86400.0, 1_700_006_400.0, 400
NOW = START + 10 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "shop.db", clock=lambda: NOW) as store:
        variants = {"old": {"policy": "popular", "control": True}, "new": {"policy": "blend"}}
        test = Experiment.parse({"name": "home", "variants": variants, "planned_users": USERS, "rule": "fixed"})
        store.experiments.add("home", test.to_dict())
        store.experiments.start("home")
        yield store


def slate(name: str, user: str, time: float, variant: str = "") -> Decision:
    items = (SlateItem(item="i1", score=1.0, source="popular"),)
    return Decision(
        id=name, user=user, time=time, items=items, experiment="home" if variant else "", variant=variant,
        policy="popular", propensity=1.0, release="1", latency=0.01,
    )  # fmt: skip


def serve(store: Store, *, before: int) -> None:
    """Users who differ much in how often they click, and do so after the start as before."""
    rng = np.random.default_rng(3)
    decisions, events = [], []
    for n in range(USERS):
        taste, user = rng.beta(0.6, 1.4), f"u{n}"
        times = [START - (1 + k) * DAY for k in range(before)] + [START + k * DAY / 2 + n for k in range(12)]
        for k, time in enumerate(times):
            variant = "" if k < before else "new" if n % 2 else "old"
            decisions.append(slate(f"d{n}-{k}", user, time, variant))
            if rng.random() < taste:
                events.append(Event(user, "i1", "click", time + 5, id=f"e{n}-{k}", decision=f"d{n}-{k}"))
    store.append_decisions(decisions)
    store.append_events(events)


def test_what_users_did_before_the_experiment_is_taken_out(store: Store) -> None:
    serve(store, before=12)
    report = problems_in_store(store, Wish("home"), NOW)
    (note,) = [one for one in report.notes if one.startswith("click rate: what users did earlier explains ")]
    assert int(note.split("explains ")[1].split("%")[0]) > 30
    assert report.verdict == "no_problem"
    assert report.slates == 12 * USERS  # and none of those before is counted


@pytest.mark.parametrize(("margin", "verdict"), [(None, "no_problem"), (0.02, "do_not_ship"), (0.06, "no_problem")])
def test_the_guardrails_of_an_experiment_say_what_is_tolerated(
    store: Store, margin: float | None, verdict: str
) -> None:
    variants = {"old": {"policy": "popular", "control": True}, "new": {"policy": "blend"}}
    guardrails = [] if margin is None else [{"metric": "latency", "margin": margin}]
    test = Experiment.parse({"name": "away", "variants": variants, "guardrails": guardrails})
    store.experiments.add("away", test.to_dict())
    store.experiments.start("away")
    rng = np.random.default_rng(0)
    made = [slate(f"d{n}", f"u{n % USERS}", START + n, "new" if n % 2 else "old") for n in range(4800)]
    slow = [
        replace(one, experiment="away", latency=float(rng.uniform(0.01, 0.02)) + 0.034 * (one.variant == "new"))
        for one in made
    ]
    store.append_decisions(slow)
    store.append_events(
        [
            Event(one.user, "i1", "click", one.time + 5, id=f"e{one.id}", decision=one.id)
            for one in slow[::2] + slow[1::2]
        ]
    )
    report = problems_in_store(store, Wish("away"), NOW)
    assert report.verdict == verdict
    assert [one.metric for one in report.findings] == ["latency"] * (verdict == "do_not_ship")


def test_it_is_held_against_the_control_that_does_best(store: Store) -> None:
    """Slates of ``random`` never repeat, and those of the others always do: that is no problem of the treatment."""
    variants = {name: {"policy": name, "control": name != "new"} for name in ("random", "popular", "new")}
    store.experiments.add("away", Experiment.parse({"name": "away", "variants": variants}).to_dict())
    store.experiments.start("away")
    decisions, events, chances = [], [], {"random": 0.1, "popular": 0.3, "new": 0.4}
    rng = np.random.default_rng(0)
    for n in range(3600):
        variant = list(variants)[n % 3]
        item = f"i{n}" if variant == "random" else "i1"
        one = replace(
            slate(f"d{n}", f"u{n % 360}", START + n, variant),
            experiment="away", items=(SlateItem(item=item, score=1.0, source="popular"),),
        )  # fmt: skip
        decisions.append(one)
        if rng.random() < chances[variant]:
            events.append(Event(one.user, item, "click", one.time + 5, id=f"e{n}", decision=one.id))
    store.append_decisions(decisions)
    store.append_events(events)
    found = problems_in_store(store, Wish("away"), NOW)
    assert (found.compared, found.verdict, found.findings) == ("new against popular", "ship", ())
    against = problems_in_store(store, Wish("away", control="random"), NOW)
    assert (against.compared, against.verdict) == ("new against random", "do_not_ship")
    assert against.findings[0].metric == "repeat_exposure"


def test_the_first_days_that_are_looked_at_know_what_was_shown_before_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the share of repeated items would rise in every log, whatever is served."""
    store.append_decisions([slate(f"d{n}-{k}", f"u{n}", NOW - k * DAY / 2 - 1) for n in range(3) for k in range(80)])
    seen: list[pl.DataFrame] = []
    monkeypatch.setattr("recloop.app.problems.find_problems", lambda table, *_, **__: seen.append(table))
    problems_in_store(store, Wish(), NOW)
    (table,) = seen
    assert (table.height, table["repeats"].sum(), table["shown"].sum()) == (3 * 56, 3 * 56, 3 * 56)
    problems_in_store(store, Wish(days=365), NOW)  # the log is younger: of its first week nobody knows
    assert (seen[1].height, seen[1]["repeats"].null_count(), seen[1]["repeats"].sum()) == (240, 3 * 14, 240 - 3 * 14)


def test_without_earlier_slates_nothing_is_taken_out(store: Store) -> None:
    serve(store, before=0)
    assert not any("did earlier" in one for one in problems_in_store(store, Wish("home"), NOW).notes)


def test_only_the_users_of_the_experiment_and_only_what_was_before_it_are_earlier(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(store, before=2)
    store.append_decisions([slate("stranger", "nobody", START - DAY), slate("old", "u1", START - 40 * DAY)])
    late = [Event("u1", "i1", "click", START + 1, id="late", decision="d1-0")]
    store.append_events(late)
    seen: list[pl.DataFrame] = []

    def kept(*args: object, earlier: pl.DataFrame, **more: object) -> None:
        seen.append(earlier)

    monkeypatch.setattr("recloop.app.problems.find_problems", kept)
    problems_in_store(store, Wish("home"), NOW)
    (earlier,) = seen
    assert set(earlier["decision"]) == {f"d{n}-{k}" for n in range(USERS) for k in range(2)}
    clicked = store.events(until=START)["decision"].to_list()
    assert set(earlier.filter(pl.col("clicked_slates") > 0)["decision"]) == set(clicked)


def test_a_readout_reads_each_log_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(store, before=2)
    read = Counter[str]()
    below = Store._read

    def counted(self: Store, table: Table, columns: tuple[str, ...] = (), **more: object) -> pl.DataFrame:
        read[table.name] += columns != ("time",)
        return below(self, table, columns, **more)

    monkeypatch.setattr(Store, "_read", counted)
    assert read_trial(store, "home", NOW).problems is not None
    assert read == {"decisions": 1, "events": 1, "feedback": 1}
    problems_in_store(store, Wish("home"), NOW)
    assert read == {"decisions": 2, "events": 2, "feedback": 2}


def test_what_was_read_once_is_what_the_store_holds(store: Store) -> None:
    serve(store, before=2)
    once = ReadOnce(store, START - DAY, START - BOUGHT * DAY)
    for since, until in ((START, None), (START - DAY, START + DAY), (START - 9 * DAY, None), (None, None)):
        wanted = store.decisions(since=since, until=until, columns=COLUMNS)
        assert once.decisions(since=since, until=until).equals(wanted)
        assert once.events(since=since, until=until).equals(store.events(since=since, until=until))
    assert once.first_decision("home") == store.first_decision("home") == START
    assert once.first_decision("away") is None
    assert wanted.columns == list(COLUMNS)


def test_nobody_was_served(store: Store) -> None:
    with pytest.raises(MissingError, match="the store holds no slates of that time; name more days, or another"):
        problems_in_store(store, Wish("home"), NOW)
