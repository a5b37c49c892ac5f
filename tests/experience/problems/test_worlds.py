"""Planted problems are found, traps stay silent: a few seeds here, all of them in benchmarks/problems.py."""

from datetime import date, timedelta

import numpy as np
import pytest

from recloop.errors import SettingError
from recloop.experience.problems import Problems, Settings, find_problems
from recloop.simulate.planted import WORLDS, Planted, planted

CAUSES = {
    "regression": "model", "latency": "operations", "repetition": "content", "already_bought": "content",
    "gap": "model", "starved": "content", "click_bait": "content", "cold": "operations", "push": "content",
}  # fmt: skip
TRAPS = sorted(set(WORLDS) - set(CAUSES) - {"hidden_srm"})


def look(world: Planted, **given: object) -> Problems:
    arms = dict(zip(("treatment", "control"), world.arms, strict=True)) if world.arms else {}
    names = ("device", "app", "region", "gender", "age", "tenure", "surface")
    settings = Settings(depth=2, dimensions=names, **arms, **given)  # the third dimension costs most of the time
    return find_problems(
        world.slates, settings, comments=world.comments, events=world.events, shown=world.exposures, simulation=True
    )


@pytest.mark.parametrize("name", CAUSES)
@pytest.mark.parametrize("seed", [11, 12])
def test_what_is_planted_is_found(name: str, seed: int) -> None:
    world = planted(name, np.random.default_rng(seed), slates=45_000, size=1.3)
    report = look(world)
    assert report.verdict == "do_not_ship"
    assert report.simulation
    first = report.findings[0]
    assert first.metric in world.metrics
    assert first.slice == dict(world.where or {})
    assert first.kind == "primary"
    assert first.cause.layer == CAUSES[name]
    assert first.sentence in report.sentence
    if world.day is None:
        assert first.change_day is None
    else:
        assert first.change_day is not None
        planted_day = date(2025, 11, 1) + timedelta(days=world.day)
        assert abs((date.fromisoformat(first.change_day) - planted_day).days) <= 1
    # what comes with it is told as a consequence, and nothing else is made up
    assert len(report.primary) == 1
    assert {one.because_of for one in report.findings[1:]} <= {first.id}


@pytest.mark.parametrize("name", TRAPS)
@pytest.mark.parametrize("seed", [21, 22])
def test_traps_stay_silent(name: str, seed: int) -> None:
    world = planted(name, np.random.default_rng(seed), slates=30_000)
    assert world.trap
    report = look(world)
    assert report.findings == ()
    assert report.verdict in {"no_problem", "keep_running", "ship"}
    assert report.sentence.startswith("No problem found")


@pytest.mark.parametrize("seed", [31, 32])
def test_a_split_that_breaks_on_one_platform_hides_everything(seed: int) -> None:
    world = planted("hidden_srm", np.random.default_rng(seed), slates=60_000)
    report = look(world)
    assert (report.verdict, report.findings) == ("invalid", ())
    assert report.sentence.startswith("Do not read these numbers. In device ios treatment has ")
    # the sum alone would have passed for a while: the slices are what tells
    assert [one.name for one in report.health if one.light == "red"] == ["split of slices"]


def test_the_sentence_says_it_all() -> None:
    """Effect, day, place, what was ruled out, people's words, what to do, what to expect."""
    world = planted("regression", np.random.default_rng(11), slates=50_000, size=1.3)
    report = look(world)
    said = report.sentence
    assert said.startswith("Click rate fell ")
    assert "sits in app 5.2 × device android (" in said
    assert "Unchanged elsewhere. Same day as release v41. Not traffic mix, " in said
    assert "people wrote about it: “cards" in said
    assert "Do: roll back release v41 to v40 for app 5.2 × device android; expected recovery +" in said
    (one,) = report.primary
    truth = 1 - 0.45 * 1.3
    assert one.effect.low < truth - 1 < one.effect.high
    assert one.explained_share > 0.7
    assert one.places[0].slice == one.slice
    assert len(one.series.days) == 28
    assert 0.1 < one.share < 0.17


def test_traffic_that_moves_is_a_note() -> None:
    world = planted("mix", np.random.default_rng(0), slates=90_000)
    report = look(world, metrics=("slate_ctr",))
    assert report.verdict == "no_problem"
    assert any("Traffic, no regression:" in note and "device web went from" in note for note in report.notes)


def test_an_unknown_world() -> None:
    with pytest.raises(SettingError, match="there is no planted world 'noisy'"):
        planted("noisy", np.random.default_rng(0))
