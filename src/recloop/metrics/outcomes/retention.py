"""Sums of whether users come back. Whoever cannot have come back yet is not counted."""

import polars as pl

from recloop.metrics.outcomes.log import DAY, Log, Part

WEEK, MONTH = 7, 28
HORIZON = 14
"""Days to which the time to return is restricted."""


def retention(log: Log) -> list[Part]:
    """Returns within the second and the fifth week, days active, and the days until the first return.

    Times count from a user's first slate in the variant. What a user does in any way counts as being there: a slate
    or an event. The log ends at its last row: a return is looked for only where the whole week lies before that.
    """
    mine = log.slates.filter(pl.col("variant").fill_null("") != "")
    first = mine.sort("time", "decision").group_by("variant", "user").agg(pl.col("decision", "time").first())
    there = pl.concat([log.slates.select("user", seen="time"), log.events.select("user", seen="time")])
    end = there.select(pl.col("seen").max()).collect().item()
    if end is None:
        return []
    day = ((pl.col("seen") - pl.col("time")) // DAY).cast(pl.Int64)
    days = (
        first.join(there, on="user")
        .filter(pl.col("seen") >= pl.col("time"))
        .select("decision", "time", day=day)
        .unique()
    )
    lived = (end - pl.col("time")) / DAY

    def within(start: int) -> pl.Expr:
        return pl.col("day").is_between(start, start + 6).any()

    each = days.group_by("decision").agg(
        lived=lived.first(),
        back_week=within(WEEK),
        back_month=within(MONTH),
        active=(pl.col("day") < MONTH).sum(),
        until=pl.col("day").filter(pl.col("day") > 0).min(),
    )
    known = {name: pl.col("lived") >= start + 7 for name, start in (("week", WEEK), ("month", MONTH))}
    restricted = pl.min_horizontal(pl.col("until").fill_null(HORIZON), pl.lit(HORIZON))
    sums = each.select(
        "decision",
        returned_7=known["week"] & pl.col("back_week"),
        followed_7=known["week"],
        returned_28=known["month"] & pl.col("back_month"),
        followed_28=known["month"],
        active_days=pl.col("active"),
        lived_days=pl.min_horizontal(pl.col("lived").floor() + 1, pl.lit(MONTH)).cast(pl.Int64),
        days_to_return_sum=pl.when(pl.col("lived") >= HORIZON).then(restricted).otherwise(0),
        followed_14=pl.col("lived") >= HORIZON,
    )
    names = [name for name in sums.collect_schema().names() if name != "decision"]
    return [Part(sums, tuple(names))]
