"""The group-sequential rule over data that lie elsewhere: looks are found in the days on which users came."""

import math

import numpy as np
import polars as pl
import pytest

from recloop.errors import SettingError
from recloop.experiments import AnalysisPlan, analyze
from recloop.stats import GroupSequential, Moments, hwang_shih_decani_spending, obrien_fleming_spending

DAY, START = 86400.0, 1_767_225_600.0  # 2026-01-01
LATER = START + 100 * DAY


def plan(**settings: object) -> AnalysisPlan:
    given = {
        "variants": {"old": {"control": True}, "new": {}}, "metrics": {"spend": {}}, "primary": "spend",
        "rule": "group-sequential", "planned_users": 1000, "minimum_users": 2, "looks": [0.3, 0.6, 1.0],
    }  # fmt: skip
    return AnalysisPlan.parse({**given, **settings})


def users(seed: int, count: int, lift: float = 0.0, each_day: int = 80) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    new = rng.random(count) < 0.5
    return pl.DataFrame(
        {
            "user": np.arange(count),
            "variant": np.where(new, "new", "old"),
            "spend": rng.gamma(2.0, 1.0, count) + lift * new,
            "time": START + DAY * (np.arange(count) // each_day) + rng.uniform(0, DAY - 1, count),
        }
    )


def test_a_look_is_at_the_end_of_the_day_that_reached_it_whenever_it_is_read() -> None:
    table = users(0, 900, lift=0.1)
    found = analyze(table, plan=plan(), now=LATER)
    look = found.readout.look
    # 300 users on the 4th day (320), 600 on the 8th (640)
    assert (look.number, look.users, look.next_users, look.until) == (2, 640, 1000, START + 8 * DAY)
    assert found.readout.basis == "group sequential"
    first = table.head(640)
    t, c = (Moments.of(first.filter(variant=name)["spend"].to_numpy()) for name in ("new", "old"))
    design = GroupSequential.spend([320, 640, 1000], planned=1000)
    expected = design.effect(t, c, 1)
    effect = found.readout.comparisons[0].effect
    assert (effect.low, effect.high, effect.p_value) == pytest.approx((expected.low, expected.high, expected.p_value))
    early = analyze(table.filter(pl.col("time") < START + 9 * DAY), plan=plan(), now=START + 9 * DAY)
    assert early.readout.comparisons[0].effect.low == pytest.approx(effect.low)
    assert "Intervals at 95% over all looks, of planned look 2 of 3, over the 640 users" in found.verdict.paragraph
    # a day that is not over makes no look
    assert analyze(table, plan=plan(), now=START + 7.5 * DAY).readout.look.number == 1


def test_two_looks_on_one_day_are_one() -> None:
    found = analyze(users(1, 900, each_day=700), plan=plan(), now=LATER)
    assert (found.readout.look.number, found.readout.look.users) == (2, 700)
    t, c = (
        Moments.of(users(1, 900, each_day=700).head(700).filter(variant=name)["spend"].to_numpy())
        for name in ("new", "old")
    )
    alone = GroupSequential.spend([700, 1000], planned=1000).effect(t, c, 0)
    assert found.readout.comparisons[0].effect.high == pytest.approx(alone.high)


def test_before_the_first_look_nothing_is_decided() -> None:
    found = analyze(users(2, 200, lift=5.0), plan=plan(), now=LATER)
    assert (found.verdict.verdict, found.readout.look) == ("keep_running", None)
    assert "The first planned look is at 300 users" in found.verdict.sentence


def test_the_last_look_is_spent_even_where_more_came_than_planned() -> None:
    table = users(3, 1111, lift=0.02, each_day=101)
    found = analyze(table, plan=plan(), now=LATER)
    assert (found.readout.look.number, found.readout.look.users, found.readout.look.next_users) == (3, 1010, None)
    assert found.verdict.verdict in {"inconclusive", "ship"}
    design = GroupSequential.spend([303, 606, 1010], planned=1000)
    assert design.power(0.0) == pytest.approx(0.05, abs=1e-9)
    one = found.readout.comparisons[0].effect
    error = math.sqrt(sum(
        Moments.of(table.head(1010).filter(variant=name)["spend"].to_numpy()).estimate().variance for name in ("new", "old")
    ))  # fmt: skip
    assert (one.high - one.low) / 2 / error == pytest.approx(design.boundary[2], rel=1e-6)


def test_data_without_times_make_one_look_and_say_so() -> None:
    table = users(4, 650).drop("time")
    found = analyze(table, plan=plan(spending="hwang-shih-decani -4"), now=LATER)
    assert (found.readout.look.number, found.readout.look.users) == (2, 650)
    (check,) = (one for one in found.readout.checks if one.name == "looks")
    assert (check.level, check.sentence[:26]) == ("yellow", "The data have no times, so")
    design = GroupSequential.spend([300, 650, 1000], hwang_shih_decani_spending(-4), planned=1000)
    t, c = (Moments.of(table.filter(variant=name)["spend"].to_numpy()) for name in ("new", "old"))
    assert found.readout.comparisons[0].effect.low == pytest.approx(design.effect(t, c, 1).low)


def test_sums_of_events_wait_for_the_window() -> None:
    table = users(5, 400)
    exposures = table.select("user", "variant", "time")
    events = table.select("user", "time", value="spend", kind=pl.lit("purchase"))
    asked = plan(metrics={"spend": {"numerator": {"kind": "purchase", "of": "sum"}}}, window_days=3)
    over = START + 4 * DAY + 3 * DAY
    assert analyze(exposures, events=events, plan=asked, now=over - 1).readout.look is None
    assert analyze(exposures, events=events, plan=asked, now=over).readout.look.number == 1


def test_futility_is_read_at_a_look() -> None:
    found = analyze(
        users(6, 700, lift=-0.1),
        plan=plan(futility="hwang-shih-decani -2", metrics={"spend": {"negative": True}}),
        now=LATER,
    )
    assert found.readout.comparisons[0].futile
    assert found.verdict.sentence.startswith("No clear answer, and none to be expected.")


def test_the_error_rate_over_all_looks_is_alpha() -> None:
    """A/A worlds that are read on every day: the share that ever ships or rolls back is alpha."""
    asked, false, worlds = plan(alpha=0.2, looks=[0.5, 1.0], planned_users=300), 0, 120
    for seed in range(worlds):
        table = users(500 + seed, 330, each_day=110)
        false += any(
            analyze(table.filter(pl.col("time") < START + day * DAY), plan=asked, now=START + day * DAY).verdict.verdict
            in {"ship", "roll_back"}
            for day in (2, 3)
        )
    assert abs(false / worlds - 0.2) < 3.3 * math.sqrt(0.16 / worlds)


def test_the_plan_is_checked() -> None:
    with pytest.raises(SettingError, match="the rule is 'group-sequential', and planned_users is not set"):
        plan(planned_users=None)
    with pytest.raises(
        SettingError, match=r"looks are \[0.5, 0.7\]; rising shares of the planned users, the last one 1"
    ):
        plan(looks=[0.5, 0.7])
    with pytest.raises(SettingError, match=r"spending is 'obrien-flemming'. Did you mean 'obrien-fleming'"):
        plan(spending="obrien-flemming")
    assert obrien_fleming_spending(np.array([1.0]), 0.05) == pytest.approx([0.05])
