"""Sums of how the answers were: fast, whole, from whom they should be, and not the same again."""

import polars as pl

from recloop.metrics.outcomes.log import DAY, Log, Part

SLOW = 0.2
"""Seconds after which an answer counts as slow."""
AGAIN = 7 * DAY
"""Seconds in which an item that is shown once more counts as repeated.

Without an end the share would rise with the length of the log alone, whatever is served.
"""


def _again(exposures: pl.LazyFrame) -> pl.LazyFrame:
    """Of exposures in their order: ``decision``, and ``again``, whether the item was shown within ``AGAIN`` before.

    Sorted by a number for user and item: a window over both takes four times as long.
    """
    user, item = (pl.col(name).cast(pl.Categorical).to_physical().cast(pl.UInt64) for name in ("user", "item"))
    pairs = exposures.select("decision", "time", pair=user * 2**32 + item).sort("pair", maintain_order=True)
    same = pl.col("pair") == pl.col("pair").shift()
    return pairs.select("decision", again=(same & (pl.col("time").diff() <= AGAIN)).fill_null(value=False))


def operations(log: Log) -> list[Part]:
    """What was shown, what of it again, and how it was answered."""
    shown = _again(log.exposures).group_by("decision").agg(shown=pl.len(), repeats=pl.col("again").sum())
    columns = log.slates.collect_schema().names()
    length = pl.col("items").list.len()
    usual = length.mode().max()  # what a request asked for is not kept: the usual length stands for it
    each = log.slates.select(
        "decision",
        fallbacks=pl.col("fallback").fill_null("") != "",
        empty_slates=length == 0,
        short_slates=(length > 0) & (length < (usual.over("surface") if "surface" in columns else usual)),
        latency_sum=pl.col("latency").cast(pl.Float64),
        timed_slates=pl.col("latency").is_not_null(),
        slow_slates=pl.col("latency") > SLOW,
        **({"forced": pl.col("forced")} if "forced" in columns else {}),
    )
    counts = ("fallbacks", "empty_slates", "short_slates", "timed_slates", "slow_slates")
    timed = log.slates.select(pl.col("latency").count()).collect().item() > 0
    unsent = () if timed else ("latency_sum", "timed_slates", "slow_slates")
    found = [Part(shown, ("shown", "repeats"))]
    found.append(Part(each, counts + (("forced",) if "forced" in columns else ()), ("latency_sum",), unsent))
    if "session" in columns:  # counted where they begin, so that days add up
        mine = log.slates.filter(pl.col("variant").fill_null("") != "").sort("time", "decision")
        begins = mine.select("decision", sessions=pl.struct("variant", "user", "session").is_first_distinct())
        found.append(Part(begins, ("sessions",)))
    return found
