"""Survey means on the scorecard are of all users, not of those who like to answer."""

import json

import numpy as np
import polars as pl
import pytest

from recloop.experience.scorecard import scorecard
from recloop.experience.surveys.weights import weighted_answers
from recloop.metrics.outcomes import by_user, user_table

DAY = 86_400.0
QUESTION = json.dumps({"survey": {"instrument": "satisfaction", "low": 1, "high": 5, "propensity": 0.02}})


def world(rng, n=6000, arm="a", lift=0.0):
    """Users who click more are happier and answer far more often: (user table, decisions, mean of all users)."""
    keen = rng.random(n) < 0.3
    truth = np.clip(np.rint(np.where(keen, 4.4, 2.6) + lift + rng.normal(0, 0.7, n)), 1, 5)
    asked = rng.random(n) < 0.5
    answered = asked & (rng.random(n) < np.where(keen, 0.6, 0.08))
    user = [f"{arm}{i}" for i in range(n)]
    table = pl.DataFrame({
        "variant": arm, "user": user, "slates": 1, "clicks": np.where(keen, rng.integers(1, 5, n), 0),
        "clicked_slates": keen.astype(int),
        "surveys": answered.astype(int), "survey_sum": np.where(answered, truth, 0.0),
        "survey_top": (answered & (truth >= 4)).astype(int),
    })  # fmt: skip
    decisions = pl.DataFrame({
        "variant": arm, "user": user, "time": 0.0, "surface": "", "items": [["x"]] * n,
        "details": [QUESTION if one else "" for one in asked],
    })  # fmt: skip
    return table, decisions, truth.mean(), (truth >= 4).mean()


def mean(table, name="survey_sum"):
    return table[name].sum() / table["surveys"].sum()


def test_the_mean_is_of_all_users_and_not_of_the_keen():
    table, decisions, truth, top = world(np.random.default_rng(0))
    found = weighted_answers(table, decisions)
    assert mean(table) > truth + 0.5  # the keen ones answered
    assert mean(found) == pytest.approx(truth, abs=0.12)
    assert mean(found, "survey_top") == pytest.approx(top, abs=0.05)
    assert found["surveys"].sum() == pytest.approx(table["surveys"].sum())
    assert found.drop("surveys", "survey_sum", "survey_top").equals(table.drop("surveys", "survey_sum", "survey_top"))


def test_an_arm_in_which_the_unhappy_fall_silent_does_not_look_more_satisfying():
    """Of arm b the unhappy answer half as often; all are as happy as before."""
    shown, told, covered = 0, 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, of_a, *_ = world(rng, 2500)
        b, of_b, *_ = world(rng, 2500, "b")
        silent = (b["clicks"] == 0).to_numpy() & (rng.random(b.height) < 0.5)
        b = b.with_columns(pl.when(pl.Series(~silent)).then(pl.col(n)).otherwise(0).alias(n) for n in b.columns[5:])
        table, decisions = pl.concat([a, b]), pl.concat([of_a, of_b])
        naive = scorecard(table, "b", ["a"], metrics=["survey"]).row("survey", "a")
        row = scorecard(weighted_answers(table, decisions), "b", ["a"], metrics=["survey"]).row("survey", "a")
        shown += naive.light == "better"
        told += row.light != "open"
        covered += row.effect.low <= 0 <= row.effect.high
    assert shown >= 15  # false lights
    assert told <= 5
    assert covered >= 35


def test_who_comes_on_more_days_is_asked_more_often_and_counts_no_more():
    days = {"often": 10, "once": 1}
    decisions = pl.DataFrame([
        {"id": f"{user}{day}", "variant": "a", "user": user, "time": day * DAY, "surface": "home", "items": ["x"],
         "latency": 0.1, "fallback": "", "details": QUESTION if day in {0, 4} else ""}
        for user, n in days.items() for day in range(n)
    ])  # fmt: skip
    said = pl.DataFrame({
        "user": ["often", "often", "once"], "kind": "survey", "time": [1.0, 4 * DAY + 1, 1.0], "value": [5.0, 5.0, 1.0],
        "text": "", "item": "", "decision": ["often0", "often4", "once0"],
    })  # fmt: skip
    events = pl.DataFrame(
        schema={"user": str, "item": str, "kind": str, "value": float, "time": float, "decision": str}
    )
    daily = user_table(decisions, events, said, daily=True)
    found = by_user(weighted_answers(daily, decisions))
    assert mean(by_user(daily)) == pytest.approx(11 / 3)
    assert mean(found) == pytest.approx((2 * 0.1 * 5 + 1) / 1.2)
    assert weighted_answers(by_user(daily), decisions).sort("user")["surveys"].to_list() == pytest.approx(
        found.sort("user")["surveys"].to_list()
    )


def test_where_nobody_was_asked_by_a_slate_all_answers_count_alike():
    table, decisions, *_ = world(np.random.default_rng(1), 100)
    assert weighted_answers(table, decisions.with_columns(details=pl.lit(""))).equals(table)
    assert weighted_answers(table, decisions.drop("details")).equals(table)
    unsent = table.with_columns(surveys=pl.lit(None, pl.Int64))
    assert weighted_answers(unsent, decisions).equals(unsent)


def test_the_top_of_a_scale_is_that_of_its_survey():
    details = json.dumps({"survey": {"instrument": "nps", "low": 0, "high": 10, "propensity": 0.02}})
    decisions = pl.DataFrame({
        "id": ["d1", "d2", "d3"], "variant": "a", "user": ["u", "v", "w"], "time": 0.0, "items": [["x"]] * 3,
        "latency": 0.1, "fallback": "", "details": [details, details, ""],
    })  # fmt: skip
    said = pl.DataFrame({
        "user": ["u", "v", "w"], "kind": "survey", "time": 1.0, "value": [6.0, 8.0, 4.0], "text": "", "item": "",
        "decision": ["d1", "d2", "d3"],
    })  # fmt: skip
    events = pl.DataFrame(
        schema={"user": str, "item": str, "kind": str, "value": float, "time": float, "decision": str}
    )
    assert user_table(decisions, events, said)["survey_top"].to_list() == [0, 1, 1]
    beyond = said.with_columns(value=pl.Series([11.0, 8.0, 11.0]))  # off the scale, where that is known
    assert user_table(decisions, events, beyond)["surveys"].to_list() == [0, 1, 1]
