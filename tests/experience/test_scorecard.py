import json

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, MissingError, SettingError
from recloop.experience import EXPERIENCE, Scorecard, scorecard
from recloop.metrics.online import OUTCOMES


def users(seed: int, per_arm: int = 800, shift: float = 0.0) -> pl.DataFrame:
    """Three variants; under blend more is clicked and liked, and answers are slower."""
    rng = np.random.default_rng(seed)
    parts = []
    for name, more in (("random", 0.0), ("popular", 0.0), ("blend", shift)):
        slates = rng.poisson(rng.gamma(2, 2, per_arm)) + 1
        clicked = rng.binomial(slates, 0.2 + more)
        rated = rng.binomial(slates, 0.3)
        parts.append(
            pl.DataFrame(
                {
                    "variant": [name] * per_arm,
                    "user": [f"{name}{i}" for i in range(per_arm)],
                    "slates": slates,
                    "shown": slates * 10,
                    "clicked_slates": clicked,
                    "abandoned": slates - clicked,
                    "buyer": rng.binomial(1, 0.1, per_arm),
                    "ratings": rated,
                    "rating_sum": rated * rng.normal(3.5 + 5 * more, 1, per_arm),
                    "repeats": rng.binomial(slates * 10, 0.05),
                    "latency_sum": slates * (0.01 + 0.1 * more),
                }
            )
        )
    return pl.concat(parts)


def card(table: pl.DataFrame, **settings: object) -> Scorecard:
    return scorecard(table, "blend", ["random", "popular"], **settings)


def test_lights_know_which_way_is_better() -> None:
    found = card(users(0, shift=0.1))
    lights = {metric: {found.row(metric, control).light for control in found.controls} for metric in EXPERIENCE}
    assert lights == {
        "slate_ctr": {"better"},
        "purchase_rate": {"open"},
        "satisfaction": {"better"},
        "sentiment": {"missing"},
        "abandonment": {"better"},
        "diversity": {"missing"},
        "repeat_exposure": {"open"},
        "latency": {"worse"},
    }
    clicks = found.row("slate_ctr", "popular")
    assert clicks.sentence.startswith("click rate: 29.3% against 20.9%")
    assert "under popular, better (+39.8%" in clicks.sentence
    assert found.row("latency", "random").sentence.startswith(
        "answer time: 20.0 ms against 10.0 ms under random, worse"
    )
    assert found.row("sentiment", "random").reason == (
        "not measured: it needs comments with a sentiment, and there are none"
    )
    assert found.users == {"blend": 800, "random": 800, "popular": 800}


def test_what_is_the_same_for_everybody_is_open() -> None:
    row = card(users(0)).row("latency", "popular")
    assert (row.light, row.reason) == ("open", "10.0 ms for every user of both")


def test_false_lights_are_rare() -> None:
    """A/A: over 60 scorecards of 10 measured rows, at most 5% should show any light (Benjamini-Hochberg at the null)."""
    lit = sum(
        any(row.light in {"better", "worse"} for row in card(users(seed, per_arm=300)).rows) for seed in range(60)
    )
    assert lit <= 3 + 3 * (60 * 0.05 * 0.95) ** 0.5


def test_with_a_plan_the_intervals_may_be_looked_at_any_time() -> None:
    table = users(0, shift=0.1)
    once, ever = (
        card(table).row("slate_ctr", "random").effect,
        card(table, planned_users=1600).row("slate_ctr", "random").effect,
    )
    assert ever.method == "always valid"
    assert ever.high - ever.low > 1.25 * (once.high - once.low)


def test_doubt_from_many_rows_is_said() -> None:
    for seed in range(40):
        for row in card(users(seed, per_arm=200)).rows:
            if row.light == "open" and row.effect and row.effect.p_value < 0.05:
                assert "no clear difference once the other rows are allowed for, p = 0." in row.sentence
                return
    pytest.fail("no such row in 40 scorecards: the wording is untested")


def test_json() -> None:
    plain = json.loads(json.dumps(card(users(0)).to_dict(), allow_nan=False))
    assert len(plain["rows"]) == 2 * len(EXPERIENCE)
    assert plain["rows"][0]["metric"] == "slate_ctr"


def test_bad_input() -> None:
    table = users(0)
    with pytest.raises(MissingError, match=r"variant 'blnd' has no users\W.*Did you mean 'blend'"):
        scorecard(table, "blnd", ["popular"])
    with pytest.raises(SettingError, match="no control is named"):
        scorecard(table, "blend", [])
    with pytest.raises(SettingError, match="Did you mean 'satisfaction'"):
        card(table, metrics=["satisfactoin"])
    with pytest.raises(DataError, match="repeat a"):
        card(pl.concat([table, table]))
    with pytest.raises(MissingError, match="no row 'slate_ctr none'"):
        card(table).row("slate_ctr", "none")


def test_every_metric_of_the_scorecard_is_in_the_catalogue() -> None:
    assert set(EXPERIENCE) <= set(OUTCOMES)
