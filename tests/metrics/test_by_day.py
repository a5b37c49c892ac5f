"""The user table by day, and that it sums up to the whole."""

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from recloop.metrics.outcomes import by_user, user_table

DAY = 86400.0


def log(seed: int = 0, users: int = 80) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, 600)
    decisions = pl.DataFrame(
        {
            "id": [f"d{n}" for n in range(600)],
            "user": user.astype(str),
            "variant": np.where(user % 2, "a", "b"),
            "time": np.sort(rng.uniform(0, 5 * DAY, 600)),
            "items": [[f"i{n}" for n in rng.choice(9, 3, replace=False)] for _ in range(600)],
            "latency": rng.exponential(0.02, 600),
            "fallback": rng.choice(["", "popular"], 600),
        }
    )
    chosen = decisions.sample(fraction=0.5, seed=seed)
    events = chosen.select(
        "user", pl.col("items").list.first().alias("item"), kind=pl.lit("click"), value=pl.lit(None, pl.Float64),
        time=pl.col("time") + 10, decision="id",
    )  # fmt: skip
    return decisions, events


def test_days_sum_up_to_the_user_table() -> None:
    decisions, events = log()
    daily = user_table(decisions, events, daily=True)
    whole = user_table(decisions, events)
    assert_frame_equal(by_user(daily), whole, rel_tol=1e-12)
    assert whole["purchases"].null_count() == whole.height  # what was never sent stays null


def test_days_count_from_a_users_first_slate() -> None:
    decisions, events = log()
    daily = user_table(decisions, events, daily=True)
    one = daily.filter(user=daily["user"][0])
    first = decisions.filter(user=daily["user"][0])["time"].min()
    assert one["day"].to_list() == [int((time - first) // DAY) for time in one["first"]]
    assert one["day"][0] == 0
