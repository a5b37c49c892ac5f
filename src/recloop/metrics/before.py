"""What users did before the experiment showed them anything: the same columns as of the user table."""

import polars as pl

from recloop.errors import DataError
from recloop.metrics.outcomes import DAY, OutcomeKinds, user_table

COUNTED = OutcomeKinds()
OF_SLATES = ("slates", "shown", "repeats", "clicked_slates", "abandoned", "fallbacks", "latency_sum")


def before_table(
    firsts: pl.DataFrame,
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    days: float,
    window: float = DAY,
    *,
    kinds: OutcomeKinds = COUNTED,
) -> pl.DataFrame:
    """One row per user with a history in the days before the first slate of the experiment, as sums.

    Columns that tell of events count all of a kind, shown by whomever; a user without any event in these days has no
    history (null), not a history of nothing. Columns that tell of slates count those of the user before; users who
    were shown nothing have null there.

    Args:
        firsts: user, first: when the experiment showed a user the first slate.
        decisions: as for ``metrics.outcomes.user_table``, earlier ones too.
        events: likewise.
        days: before the first slate.
        window: attribution window of earlier slates, in seconds; nothing from the first slate on is counted.
        kinds: which kinds of events count as what.

    Raises:
        DataError: ``firsts`` repeats a user, or a column is missing.

    >>> firsts = pl.DataFrame({"user": ["ann", "bob"], "first": [1e6, 1e6]})
    >>> events = pl.DataFrame({"user": ["ann", "ann"], "item": ["x", "y"], "kind": ["purchase", "purchase"],
    ...     "value": [3.0, 4.0], "time": [1e6 - 50, 1e6 + 50], "decision": [None, None]},
    ...     schema_overrides={"decision": pl.String})
    >>> none = pl.DataFrame(schema={"id": pl.String, "user": pl.String, "variant": pl.String, "time": pl.Float64,
    ...     "items": pl.List(pl.String), "latency": pl.Float64, "fallback": pl.String})
    >>> before_table(firsts, none, events, days=7).select("user", "orders", "spend", "slates").rows()
    [('ann', 1, 3.0, None)]
    """
    if firsts["user"].n_unique() < firsts.height:
        raise DataError("a user has two first slates", allowed="one row per user")
    bought, rated = (pl.col("kind").is_in(one) for one in (kinds.purchase, kinds.rating))
    rated &= pl.col("value").is_not_null()
    old = _earlier(events, firsts, days)
    value = pl.col("value").cast(pl.Float64)
    of_events = old.group_by("user").agg(
        clicks=pl.col("kind").is_in(kinds.click).sum().cast(pl.Int64),
        purchases=bought.sum().cast(pl.Int64),
        buyer=bought.any().cast(pl.Int64),
        revenue=value.filter(bought).sum(),
        orders=bought.sum().cast(pl.Int64),
        spend=value.filter(bought).sum(),
        rating_sum=value.filter(rated).sum(),
        ratings=rated.sum().cast(pl.Int64),
    )
    shown = _earlier(decisions, firsts, days).with_columns(variant=pl.lit("before"))
    of_slates = user_table(shown, old, None, window, kinds=kinds).select("user", *OF_SLATES)
    return of_events.join(of_slates, on="user", how="full", coalesce=True).sort("user")


def _earlier(rows: pl.DataFrame, firsts: pl.DataFrame, days: float) -> pl.DataFrame:
    dated = rows.join(firsts.select("user", start="first"), on="user", how="inner")
    return dated.filter(pl.col("time") < pl.col("start"), pl.col("time") >= pl.col("start") - days * DAY).drop("start")
