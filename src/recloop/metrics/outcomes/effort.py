"""Sums of what it cost users to find something: giving up, searching, waiting, being shown what they have."""

import polars as pl

from recloop.metrics.outcomes.attribution import attributed
from recloop.metrics.outcomes.engagement import LONG
from recloop.metrics.outcomes.log import DAY, Log, Part

PATIENCE = 1800.0
"""Seconds to which the time to the first good item is restricted."""
SOON = 300.0
"""Seconds after a slate within which a search counts as one that the slate did not answer."""


def effort(log: Log) -> list[Part]:
    """What can be told of the kinds of events that are sent."""
    found = [_abandoned(log)]
    if log.has("search"):
        found.append(_searched(log))
    if log.has("struggle"):
        found.append(_struggled(log))
    if log.has("click", "purchase", "save"):
        found.append(_time_to_good(log))
    if log.has("purchase"):
        found.append(_consumed(log))
    if log.has("hide") and log.facts is not None and log.facts.has("category"):
        found.append(_control(log))
    return found


def _touched(log: Log) -> pl.LazyFrame:
    """Decisions with a click or a purchase."""
    return pl.concat([log.those("click"), log.those("purchase")]).select("decision").unique()


def _abandoned(log: Log) -> Part:
    """Slates that were the last of a session, and nothing on them was clicked or bought.

    Good abandonment: an item was looked at for long without a click, so that the slate itself may have been the answer.
    J. Li, S. Huffman, A. Tokuda, "Good abandonment in mobile and PC internet search" (SIGIR 2009).
    """
    if not log.has("click"):
        return Part(unsent=("abandoned",))
    # joins do not keep the order of rows, hence order_by
    next_slate = pl.col("time").shift(-1).over("user", order_by="time")
    followed = (next_slate - pl.col("time") <= log.session).fill_null(value=False)
    left = log.slates.filter(~followed).select("decision").join(_touched(log), on="decision", how="anti")
    if not log.valued("dwell"):
        return Part(left.with_columns(abandoned=pl.lit(value=True)), ("abandoned",))
    looked = log.those("dwell").group_by("decision", "item").agg(pl.col("value").sum())
    read = looked.filter(pl.col("value") >= LONG).select("decision", good=pl.lit(value=True)).unique()
    each = left.join(read, on="decision", how="left").select(
        "decision", abandoned=pl.lit(value=True), badly_abandoned=pl.col("good").is_null()
    )
    return Part(each, ("abandoned", "badly_abandoned"))


def _searched(log: Log) -> Part:
    """Slates that were followed by a search, soon and before the next slate."""
    searches = log.events.filter(pl.col("kind").is_in(log.kinds.search)).select("user", "time", searched_at="time")
    next_slate = pl.col("time").shift(-1).over("user", order_by="time")
    each = (
        log.slates.select("decision", "user", "time", next_slate=next_slate)
        .sort("time")
        .join_asof(searches.sort("time"), on="time", by="user", strategy="forward", check_sortedness=False)
        .filter(pl.col("searched_at") - pl.col("time") <= SOON)
        .filter(pl.col("next_slate").is_null() | (pl.col("searched_at") < pl.col("next_slate")))
    )
    return Part(each.select("decision", searched=pl.lit(value=True)), ("searched",))


def _struggled(log: Log) -> Part:
    clicks = log.events.filter(pl.col("kind").is_in(log.kinds.struggle)).with_columns(item=pl.lit(""))
    mine = attributed(clicks, log.exposures, log.slates, log.window).select("decision").unique()
    return Part(mine.with_columns(struggled=pl.lit(value=True)), ("struggled",))


def _time_to_good(log: Log) -> Part:
    """Seconds from the first slate of a session to its first good item, restricted to ``PATIENCE``; by sessions.

    Good is a purchase, a save or a long click; a click where none of these is ever sent. The restricted mean asks for
    no shape of the curve: P. Royston, M. Parmar (Statistics in Medicine 2011).
    """
    good = [log.those("purchase"), log.those("save")]
    if log.valued("dwell"):
        good.append(log.those("dwell").filter(pl.col("value") >= LONG))
    if not (log.has("purchase", "save") or log.valued("dwell")):
        good = [log.those("click")]
    times = pl.concat(good).group_by("decision").agg(good=pl.col("time").min())
    begins = (pl.col("time").diff().over("user") > log.session).fill_null(value=True)
    sessions = (
        log.slates.select("decision", "user", "variant", "time")
        .sort("user", "time", "decision")
        .with_columns(visit=begins.cum_sum().over("user"))
        .join(times, on="decision", how="left")
        .group_by("user", "visit")
        .agg(pl.col("decision").sort_by("time").first(), start=pl.col("time").min(), good=pl.col("good").min())
    )
    seconds = (pl.col("good") - pl.col("start")).clip(0, PATIENCE).fill_null(PATIENCE)
    each = sessions.select("decision", time_to_good_sum=seconds, visits_begun=pl.lit(1))
    return Part(each, ("visits_begun",), ("time_to_good_sum",))


def _consumed(log: Log) -> Part:
    """Items shown that the user had bought before."""
    bought = log.events.filter(pl.col("kind").is_in(log.kinds.purchase)).group_by("user", "item")
    first = bought.agg(bought=pl.col("time").min())
    mine = log.exposures.join(first, on=["user", "item"]).filter(pl.col("bought") < pl.col("time"))
    return Part(mine.group_by("decision").agg(consumed=pl.len()), ("consumed",))


def _control(log: Log) -> Part:
    """How far the share of a category on a user's slates fell after the user hid an item of it, within a week each way.

    B. Knijnenburg and others, "Explaining the user experience of recommender systems" (UMUAI 2012): perceived control.
    """
    assert log.facts is not None
    topics = log.facts.items.lazy().select("item", "category").drop_nulls("category")
    hidden = (
        log.events.filter(pl.col("kind").is_in(log.kinds.hide))
        .join(topics, on="item")
        .group_by("user", "category")
        .agg(hidden=pl.col("time").min())
    )
    shown = log.exposures.join(topics, on="item").select("decision", "user", "time", "category")
    after = pl.col("time") > pl.col("hidden")
    same = pl.col("category") == pl.col("category_right")
    share = shown.join(hidden.rename({"category": "category_right"}), on="user")
    share = share.filter((pl.col("time") - pl.col("hidden")).abs() <= 7 * DAY)
    each = (
        share.group_by("user", "category_right")
        .agg(
            before=same.filter(~after).mean(),
            after=same.filter(after).mean(),
            decision=pl.col("decision").filter(after).sort_by(pl.col("time").filter(after)).first(),
        )
        .drop_nulls()
        .group_by("decision")
        .agg(topic_drop_sum=(pl.col("before") - pl.col("after")).sum(), topics_hidden=pl.len())
    )
    return Part(each, ("topics_hidden",), ("topic_drop_sum",))
