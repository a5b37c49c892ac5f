"""Sums of what users did with what they were shown: clicks, purchases, saves, time spent."""

import polars as pl

from recloop.metrics.outcomes.attribution import attributed
from recloop.metrics.outcomes.log import Log, Part

LONG, BRIEF = 30.0, 10.0
"""Seconds with an item after which a click counts as a long one (Kim and others 2014), and below which as a bounce."""


def engagement(log: Log) -> list[Part]:
    """Clicks and purchases, and where they are sent: saves, dwell, completion."""
    kinds, found = log.kinds, [_money(log)]
    click, purchase = pl.col("kind").is_in(kinds.click), pl.col("kind").is_in(kinds.purchase)
    did = log.done.group_by("decision").agg(
        clicks=pl.col("item").filter(click).n_unique(),
        clicked_slates=click.any(),
        purchases=purchase.sum(),
        revenue=pl.col("value").filter(purchase).sum(),
    )
    clicks, bought = ("clicks", "clicked_slates"), ("purchases",)
    unsent = (() if log.has("click") else clicks) + (() if log.has("purchase") else bought)
    unsent += () if log.valued("purchase") else ("revenue",)
    found.append(Part(did, (*clicks, *bought), ("revenue",), unsent))
    if log.has("click"):
        found.append(_places(log))
    found += [_counted(log, name, column) for name, column in (("save", "saves"), ("skip", "skips"), ("hide", "hides"))]
    if log.valued("complete"):
        done = (
            log.those("complete")
            .group_by("decision")
            .agg(completion_sum=pl.col("value").clip(0, 1).sum(), completions=pl.col("value").count())
        )
        found.append(Part(done, ("completions",), ("completion_sum",)))
    if log.has("click") and log.valued("dwell"):
        found.append(_dwell(log))
    return found


def _counted(log: Log, name: str, column: str) -> Part:
    if not log.has(name):
        return Part()
    each = log.those(name).group_by("decision").agg(pl.col("item").n_unique().alias(column))
    return Part(each, (column,))


def _places(log: Log) -> Part:
    """Where on the slate the clicks were, and how well its order foretold them.

    DCG: K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (TOIS 2002), with gains of 0
    and 1, divided by that of a slate that has its clicked items first.
    """
    clicks = log.those("click").group_by("decision", "item").agg(pl.col("time").min())
    placed = clicks.join(log.exposures.select("decision", "item", "place"), on=["decision", "item"])
    # an item may stand on a slate once; where a client shows it twice, its upper place is meant
    placed = placed.group_by("decision", "item").agg(pl.col("time").first(), pl.col("place").min())
    gain = (1 / (pl.col("place") + 1).log(2)).sum()
    ideal = (1 / (pl.int_range(1, pl.len() + 1) + 1).log(2)).sum()
    each = placed.group_by("decision").agg(
        first_click_place=pl.col("place").sort_by("time", "place").first(),
        depth_sum=pl.col("place").max(),
        ndcg_sum=gain / ideal,
    )
    return Part(each, ("first_click_place", "depth_sum"), ("ndcg_sum",))


def _dwell(log: Log) -> Part:
    """Of clicks whose time is known: how many were long, and how many bounced.

    Y. Kim, A. Hassan, R. White, I. Zitouni, "Modeling dwell time to predict click-level satisfaction" (WSDM 2014).
    """
    click, dwell = pl.col("kind").is_in(log.kinds.click), pl.col("kind").is_in(log.kinds.dwell)
    each = (
        log.done.group_by("decision", "item")
        .agg(clicked=click.any(), timed=dwell.any(), seconds=pl.col("value").filter(dwell).sum())
        .filter("clicked", "timed")
        .group_by("decision")
        .agg(
            timed_clicks=pl.len(),
            long_clicks=(pl.col("seconds") >= LONG).sum(),
            bounces=(pl.col("seconds") < BRIEF).sum(),
        )
    )
    return Part(each, ("timed_clicks", "long_clicks", "bounces"))


def _money(log: Log) -> Part:
    """All purchases after a slate, of items shown or not."""
    paid = log.events.filter(pl.col("kind").is_in(log.kinds.purchase), pl.col("item") != "")
    bought = attributed(paid.with_columns(item=pl.lit("")), log.exposures, log.slates, log.window)
    each = bought.group_by("decision").agg(orders=pl.len(), spend=pl.col("value").sum())
    unsent = (() if log.has("purchase") else ("orders",)) + (() if log.valued("purchase") else ("spend",))
    return Part(each, ("orders",), ("spend",), unsent)
