"""Why rows are never the unit: on mixed users row-level standard errors cry wolf, and ours do not."""

import numpy as np
import polars as pl
from scipy.stats import norm

from recloop.experience import EXPERIENCE, scorecard
from recloop.experience.measure import _value
from recloop.metrics.online import OUTCOMES
from recloop.metrics.outcomes import user_table


def a_a(seed: int, users: int = 300) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One policy under two names; a few users see many slates, and users differ in how much they click."""
    rng = np.random.default_rng(seed)
    slates = 1 + rng.negative_binomial(0.4, 0.04, users)
    who = np.repeat(np.arange(users), slates)
    n = who.size
    clicked = rng.random(n) < rng.beta(0.5, 1.5, users)[who]
    decisions = pl.DataFrame(
        {
            "id": np.arange(n).astype(str), "user": who.astype(str), "variant": np.where(who % 2, "b", "a"),
            "time": np.arange(n) * 10_000.0, "items": [["x"]] * n, "latency": 0.01, "fallback": "",
        }
    )  # fmt: skip
    events = decisions.filter(pl.Series(clicked)).select(
        "user", item=pl.lit("x"), kind=pl.lit("click"), value=pl.lit(None, pl.Float64), time=pl.col("time") + 1,
        decision="id",
    )  # fmt: skip
    return decisions, events


def naive(decisions: pl.DataFrame, events: pl.DataFrame) -> float:
    """p-value of the click rate as if every slate were a user of its own."""
    clicked = decisions["id"].is_in(events["decision"].implode()).to_numpy()
    arm = decisions["variant"].to_numpy() == "a"
    p = clicked.mean()
    error = np.sqrt(p * (1 - p) * (1 / arm.sum() + 1 / (~arm).sum()))
    return float(2 * norm.sf(abs(clicked[arm].mean() - clicked[~arm].mean()) / error))


def test_row_level_errors_raise_false_alarms_and_user_level_ones_do_not() -> None:
    wrong = right = 0
    for seed in range(60):
        decisions, events = a_a(seed)
        wrong += naive(decisions, events) < 0.05
        card = scorecard(user_table(decisions, events), "a", ["b"], metrics=["slate_ctr"])
        effect = card.rows[0].effect
        assert effect is not None
        right += effect.p_value < 0.05
    assert wrong > 30  # more than half of the time, where nothing differs
    assert right <= 8  # 5% of 60 are 3; more than 8 come once in 250 times


def test_a_row_that_is_split_in_two_changes_no_interval_of_a_user() -> None:
    """Every metric reads one row of sums per user: doubling the rows of a user leaves the width as it is."""
    decisions, events = a_a(1)
    twice = pl.concat([decisions, decisions.with_columns(pl.col("id") + "'", pl.col("time") + 3)]).sort("time")
    more = pl.concat([events, events.with_columns(pl.col("decision") + "'", pl.col("time") + 3)])
    ctr = OUTCOMES["slate_ctr"]
    one, two = (
        _value(ctr, user_table(d, e).filter(variant="a"), 0.05) for d, e in ((decisions, events), (twice, more))
    )
    assert one.value == two.value
    assert np.isclose(one.high - one.low, two.high - two.low)
    assert "slate_ctr" in EXPERIENCE
