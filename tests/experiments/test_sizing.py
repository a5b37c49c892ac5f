"""What can be found by day: from pilots, designs and experiments."""

import json
import math

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, SettingError
from recloop.experiments import Experiment
from recloop.experiments.sizing import Design, Pilot, size
from recloop.metrics.online import OUTCOMES
from recloop.stats import Moments, detectable_change, sample_size

CLICKS, BUYERS = OUTCOMES["slate_ctr"], OUTCOMES["purchase_rate"]


def users(n: int = 900, days: float = 3.0, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    slates = rng.poisson(3, n) + 1
    return pl.DataFrame(
        {
            "user": [f"u{i}" for i in range(n)],
            "first": np.sort(rng.uniform(0, days * 86400, n)),
            "slates": slates,
            "clicked_slates": rng.binomial(slates, 0.2),
        }
    )


def test_a_pilot_is_what_the_table_says() -> None:
    table = users()
    pilot = Pilot.of(CLICKS, [table])
    moments = Moments.of(table["clicked_slates"].to_numpy(), table["slates"].to_numpy())
    assert pilot.baseline == moments.ratio
    assert pilot.variances == (moments.unit_variance,)
    assert len(pilot.new_users) == 2  # the last day may be but a part of one
    assert sum(pilot.new_users) == pytest.approx(600, abs=80)


def test_variance_by_day_is_used_on_its_day() -> None:
    pilot = Pilot(CLICKS, 0.2, (1.0, 0.5), (100.0,))
    found = size(pilot, Design(rule="fixed"), days=4)
    for day, variance in zip(found.days, (1.0, 0.5, 0.5, 0.5), strict=True):
        assert day.users == 100 * day.day
        assert day.change == pytest.approx(detectable_change(variance, day.users), rel=1e-9)
        assert day.relative == pytest.approx(day.change / 0.2)


def test_a_day_without_users_takes_the_variance_of_the_next() -> None:
    tables = [users().head(1), users()]
    pilot = Pilot.of(CLICKS, tables)
    assert pilot.variances[0] == pilot.variances[1]
    assert len(pilot.new_users) == 2


def test_what_is_needed_agrees_with_the_sample_size() -> None:
    pilot = Pilot(BUYERS, 0.10, (0.09,), (100.0,))
    for design in (
        Design(rule="fixed"),
        Design(),
        Design(rule="fixed", correlation=0.6),
        Design.even(3, rule="fixed"),
        Design.even(3, rule="fixed", adjustment="dunnett", traffic=0.5),
    ):
        found = size(pilot, design, change=-0.02)
        wanted = sample_size(
            0.09,
            0.02,
            alpha=design.alpha_each,
            power=0.8,
            correlation=design.correlation,
            inflation=design.inflation,
        )
        assert found.needed is not None
        assert found.needed.day == math.ceil(wanted / (100 * design.traffic * design.pair) - 1e-2)
    assert Design.even(3, adjustment="dunnett").alpha_each > Design.even(3).alpha_each


def test_the_design_of_an_experiment() -> None:
    test = Experiment.parse(
        {
            "name": "home",
            "variants": {
                "random": {"policy": "random", "control": True},
                "popular": {"policy": "popular", "control": True, "weight": 3},
                "blend": {"policy": "blend", "weight": 4},
            },
            "traffic": 0.5,
            "holdout": {"share": 0.1},
            "alpha": 0.1,
            "rule": "fixed",
        }
    )
    design = Design.of(test, power=0.9)
    assert (design.comparisons, design.alpha_each, design.power) == (2, 0.05, 0.9)
    assert (design.share, design.pair) == (0.8, 5 / 8)  # blend with random: the pair with the fewest users
    assert design.traffic == pytest.approx(0.45)
    assert design.inflation == 1.0
    looked = [Design.of(test, rule="group-sequential", looks=n).inflation for n in (1, 5, 20)]
    assert looked[0] == 1.0
    assert looked == sorted(looked)
    assert looked[-1] < Design.of(test, rule="sequential").inflation


def test_without_a_baseline_there_is_no_percentage() -> None:
    found = size(Pilot(OUTCOMES["sentiment"], 0.0, (0.2,), (50.0,)), Design(), days=2)
    assert math.isnan(found.days[0].relative)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["days"][0]["relative"] is None


def test_never() -> None:
    assert size(Pilot(BUYERS, 0.1, (0.09,), (1.0,)), Design(), change=1e-4).needed is None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Pilot.of(BUYERS, [users()]), DataError, "purchase rate is not measured: it needs purchase events"),
        (lambda: Pilot.of(CLICKS, [users().head(1)]), DataError, "1 users are too few to plan with"),
        (lambda: Pilot.of(CLICKS, [users().drop("first")]), DataError, "nobody knows when users came; the table has"),
        (lambda: Pilot(CLICKS, 0.1, (-1.0,), (5.0,)), DataError, "the variance of click rate is"),
        (lambda: size(Pilot(CLICKS, 0.1, (1.0,), (0.0,)), Design()), SettingError, "nobody takes part"),
        (lambda: size(Pilot(CLICKS, 0.1, (1.0,), (9.0,)), Design(), change=0.0), SettingError, r"to find is 0\.0"),
        (lambda: Design.even(0), SettingError, "0 treatments; at least 1"),
    ],
)
def test_what_cannot_be(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
