"""Ramps: what a plan may be, and when a step leads to the next one, to a stop, or to waiting."""

import numpy as np
import polars as pl
import pytest

from recloop.errors import SettingError
from recloop.experiments import Experiment, Guardrail, NextStep, Ramping, Step, next_step, read_out
from recloop.experiments.ramp import steps
from recloop.experiments.steps import due, share_now

VARIANTS = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
RAMP = [{"share": 0.01, "hours": 24}, {"share": 0.1, "hours": 48}, {"share": 0.5}]
DAY = 86_400.0


def experiment(**settings: object) -> Experiment:
    return Experiment.parse({"name": "t", "variants": VARIANTS, "ramp": RAMP, "planned_users": 4000, **settings})


def table(users: int = 1000, *, a: float = 0.2, b: float = 0.2, split: float = 0.5, seed: int = 3) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    treated = np.arange(users) < split * users
    slates = rng.poisson(3, users) + 1
    return pl.DataFrame(
        {
            "variant": np.where(treated, "b", "a"),
            "user": [f"u{n}" for n in range(users)],
            "slates": slates,
            "clicked_slates": rng.binomial(slates, np.where(treated, b, a)),
            "abandoned": rng.binomial(slates, np.where(treated, 1 - b, 1 - a)),
        }
    )


def moved(test: Experiment, rows: pl.DataFrame, now: float = DAY, step: int = 0, since: float = 0.0) -> NextStep:
    return next_step(test, read_out(test, rows, now), now, Ramping(step, since))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ramp": [{"share": 0.1, "hours": 1}, {"share": 0.1}]}, "step 2 of the ramp has share 0.1; it lies above 0.1"),
        (
            {"ramp": [{"share": 0.6}], "traffic": 0.5},
            "step 1 of the ramp has share 0.6; it lies above 0.0 (a ramp only",
        ),
        ({"ramp": [{"share": 0.1}, {"share": 0.2}]}, "step 1 of the ramp has no hours; only the last may"),
        ({"ramp": [{"share": 0.1, "hours": 0}]}, "step 1 of the ramp has 0.0 hours; 0 < hours < 8784"),
        ({"ramp": [{"share": 0.1, "houers": 4}]}, "Did you mean 'hours'?"),
        ({"ramp": [{"hours": 4}]}, "needs the setting 'share'"),
    ],
)
def test_what_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        experiment(**change)
    assert message in str(caught.value)


def test_the_last_step_has_no_end() -> None:
    half = Step(share=0.1, hours=1.0)
    assert [(one.share, one.hours) for one in steps((half,), 0.5)] == [(0.1, 1.0), (0.5, None)]
    assert [(one.share, one.hours) for one in steps((half,), 0.1)] == [(0.1, None)]
    assert [(one.share, one.hours) for one in steps((), 0.5)] == [(0.5, None)]
    test = experiment()
    assert [share_now(test, step) for step in range(5)] == [0.01, 0.1, 0.5, 0.5, 0.5]
    assert due(test, Ramping(1, 100.0)) == 100.0 + 2 * DAY
    assert due(test, Ramping(2, 100.0)) == float("inf")


def test_no_step_runs_before_the_start() -> None:
    test = experiment(starts="1970-01-03T00:00:00Z")
    assert due(test, Ramping(0, 0.0)) == 3 * DAY


def test_it_widens_where_no_harm_is_seen() -> None:
    found = moved(experiment(), table())
    assert (found.move, found.share) == ("widen", 0.1)
    assert found.sentence == "From 1% to 10% of the traffic: no harm is seen."


def test_it_stays_until_the_step_is_over() -> None:
    found = moved(experiment(), table(a=0.5, b=0.1), now=DAY - 1)  # harm is looked for at the end of a step
    assert (found.move, found.share, found.due) == ("stay", 0.01, DAY)
    last = moved(experiment(), table(), now=99 * DAY, step=2)
    assert (last.move, last.sentence) == ("stay", "50% of the traffic: the last step.")


def test_it_stays_while_nothing_can_be_said() -> None:
    found = moved(experiment(), table(users=150))
    assert found.move == "stay"
    assert "1% of the traffic: a has 75 users, and each variant needs 100 before more take part." in found.sentence
    unseen = moved(experiment(primary="purchase_rate"), table())
    assert (unseen.move, "not measured: it needs purchase events" in unseen.sentence) == ("stay", True)


def test_it_stops_on_harm() -> None:
    found = moved(experiment(), table(a=0.4, b=0.2))
    assert (found.move, found.share) == ("stop", 0.0)
    assert found.sentence.startswith("Stopped at 1% of the traffic. b does harm: its click rate is ")
    rail = (Guardrail(metric="abandonment", margin=0.05, scale="absolute"),)
    breached = moved(experiment(primary="slate_ctr", guardrails=[{"metric": rail[0].metric, "margin": 0.05}]), table(a=0.5, b=0.2))  # fmt: skip
    assert "Guardrail breached: abandonment (b)." in breached.sentence


def test_it_stops_where_the_split_is_broken() -> None:
    found = moved(experiment(), table(split=0.3))
    assert found.move == "stop"
    assert "Traffic was not split as planned" in found.sentence


def test_false_stops_are_rare() -> None:
    """No difference: a ramp of several steps stops for harm in at most alpha of the experiments, up to chance."""
    test = experiment(minimum_users=50)
    stops = sum(moved(test, table(400, seed=seed)).move == "stop" for seed in range(100))
    assert stops <= 5


def test_a_skewed_metric_in_a_small_arm_stops_nothing() -> None:
    rng = np.random.default_rng(6)
    small = np.arange(4400) < 400
    spend = (rng.random(4400) < 0.05) * rng.lognormal(0.0, 1.0, 4400) * np.where(small, 0.0, 1.0)
    arms = {"a": {"policy": "popular", "control": True, "weight": 10.0}, "b": {"policy": "blend"}}
    rows = pl.DataFrame({"variant": np.where(small, "b", "a"), "user": [f"u{n}" for n in range(4400)], "spend": spend})
    test = experiment(variants=arms, primary="spend_per_user", planned_users=4400)
    (one,) = read_out(test, rows, DAY).of("spend_per_user")
    assert one.users_needed > 400
    assert one.sequential is not None
    assert one.sequential.p_value < 0.05, "it looks like harm, and skew alone does that often"
    assert moved(test, rows).move == "widen"
