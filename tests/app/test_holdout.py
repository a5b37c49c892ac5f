"""Held-out users against everybody else: what all that was launched did together."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.holdout import holdout_in_force, read_launches
from recloop.errors import DataError, MissingError
from recloop.experiments import Experiment, Holdout, bucket
from recloop.experiments.holdout import HELD, REST, comparison_of, read_holdout, sides
from recloop.stats import Moments, always_valid
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

START = 100 * 86_400.0
SLATE = (SlateItem(item="tea", score=1.0, source="popular"),)
HOLDOUT = {"share": 0.2, "salt": "2026", "policy": "old"}
VARIANTS = {"a": {"policy": "old", "control": True}, "b": {"policy": "new"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db", clock=lambda: START) as opened:
        yield opened


def define(store: Store, name: str = "home", **settings: object) -> Experiment:
    test = Experiment.parse(
        {"name": name, "variants": VARIANTS, "holdout": HOLDOUT, "primary": "slate_ctr", **settings}
    )
    store.experiments.add(name, test.to_dict())
    store.experiments.start(name)
    return test


def serve(store: Store, users: int, lift: float, seed: int = 1) -> dict[str, bool]:
    """Two slates per user; held-out users are in no experiment. Whoever is not held out clicks more by ``lift``."""
    rng = np.random.default_rng(seed)
    decisions, events, clicked = [], [], {}
    for n in range(2 * users):
        user, time = f"u{n % users}", START + n
        held = bucket("holdout:2026", user) < 0.2
        mark = {} if held else {"experiment": "home", "variant": "ab"[n % 2]}
        decisions.append(Decision(id=f"d{n}", user=user, time=time, items=SLATE, policy="p", **mark))
        click = rng.random() < 0.3 + (0 if held else lift)
        clicked[user] = clicked.get(user, 0) + click
        if click:
            events.append(Event(user, "tea", "click", time + 1, id=f"e{n}", decision=f"d{n}"))
    store.append_decisions(decisions)
    store.append_events(events)
    return clicked


def test_it_is_the_always_valid_comparison_of_the_two_groups(store: Store) -> None:
    define(store)
    clicked = serve(store, 1500, lift=0.12)
    found = read_launches(store, "home", START + 9e4, planned_users=1500)
    t, c = (
        Moments.of([float(n) for user, n in clicked.items() if (bucket("holdout:2026", user) < 0.2) is held],
                   [2.0 for user in clicked if (bucket("holdout:2026", user) < 0.2) is held])
        for held in (False, True)
    )  # fmt: skip
    expected = always_valid(t, c, planned=1500)
    (one,) = found.readout.of("slate_ctr")
    assert (one.treatment, one.control) == (REST, HELD)
    assert (one.effect.low, one.effect.high) == pytest.approx((expected.low, expected.high))
    assert found.readout.users == {HELD: c.n, REST: t.n}
    assert found.since == START
    assert found.sentence.startswith("What was launched did good, taken together. Its click rate is 4")
    assert any(fact.startswith("click rate: +") for fact in found.facts)
    json.dumps(found.to_dict(), allow_nan=False)


def test_nothing_changed_and_too_early(store: Store) -> None:
    define(store)
    serve(store, 900, lift=0.0)
    found = read_launches(store, "home", START + 9e4)
    assert found.sentence.startswith(
        "That everybody else fares better or worse than held-out users is not beyond doubt."
    )
    early = read_launches(store, "home", START + 9e4, until=START + 200)
    assert early.sentence.startswith("Too early to say anything: held-out has ")
    late = read_launches(store, "home", START + 9e4, since=START + 900)
    assert late.readout.total_users == 900
    with pytest.raises(DataError, match=r"no slate was served to a known user in this time; name an earlier since"):
        read_launches(store, "home", START + 9e4, since=START + 9e9)


def test_who_is_counted(store: Store) -> None:
    define(store)
    serve(store, 600, lift=0.0)
    nobody = [
        Decision(id=f"n{n}", user="", time=START + n, items=SLATE, policy="p", session=f"s{n}") for n in range(50)
    ]
    store.append_decisions(nobody)
    assert read_launches(store, "home", START + 9e4).readout.total_users == 600
    # the split is judged by the holdout's share: of half of the held-out users no slate is there
    table = pl.DataFrame({"user": [f"u{n}" for n in range(4000)]})
    table = sides(table["user"].to_list(), Holdout(share=0.2)).with_columns(slates=1, clicked_slates=0)
    lost = table.filter(~((pl.col("variant") == HELD) & (pl.int_range(pl.len()) % 2 == 0)))
    experiment = comparison_of(Holdout(share=0.2), primary="slate_ctr", alpha=0.05, window=60.0, planned_users=4000)
    found = read_holdout(experiment, Holdout(share=0.2), lost, 0.0, since=0.0)
    assert found.sentence.startswith("Do not read this holdout. ")
    assert found.readout.comparisons == ()
    assert found.to_dict()["until"] is None
    assert math.isinf(found.until)


def test_who_holds_nobody_out_says_so(store: Store) -> None:
    define(store, holdout=None)
    with pytest.raises(DataError, match=r"'home' holds nobody out; .*holdout = \{share = 0.05\}"):
        read_launches(store, "home", START)
    with pytest.raises(MissingError):
        read_launches(store, "away", START)
    with pytest.raises(DataError, match="the holdout's share is 0; somebody must be held out"):
        comparison_of(Holdout(share=0.0), primary="slate_ctr", alpha=0.05, window=60.0, planned_users=4000)


def test_the_holdout_of_what_started_last_stays_in_force(store: Store) -> None:
    assert holdout_in_force(store) is None
    define(store)
    assert holdout_in_force(store) == Holdout(**HOLDOUT)
    store.experiments.stop("home")
    assert holdout_in_force(store) == Holdout(**HOLDOUT)
