"""Sums of what slates look like beside what is known of their items and of the user: taste, news, surprise."""

import numpy as np
import polars as pl

from recloop.metrics.outcomes.log import DAY, ItemFacts, Log, Part

HALF_LIFE = 30.0
"""Days after which an event counts half towards a user's taste."""
SMOOTHING = 0.01
"""Share of the taste that is mixed into a slate's categories, so that none is zero (Steck 2018)."""
RECENT = 50
"""Events of a history that a surprise is held against."""


def quality(log: Log) -> list[Part]:
    """What can be told with what is known of items; nothing without."""
    facts, found = log.facts, list[Part]()
    if facts is None:
        return found
    shown = log.exposures.select("decision", "user", "time", "item").join(facts.items.lazy(), on="item")
    past = _past(log)
    if facts.has("category"):
        found += [_categories(shown), _calibration(shown, past, facts)]
    if facts.has("popularity"):
        found.append(_popularity(shown, past, facts))
    if facts.has("arrived"):
        days = ((pl.col("time") - pl.col("arrived")) / DAY).clip(0)
        aged = shown.drop_nulls("arrived").group_by("decision").agg(age_sum=days.sum(), aged=pl.len())
        found.append(Part(aged, ("aged",), ("age_sum",)))
    if facts.vectors is not None and log.has("click"):
        found.append(_serendipity(log, past, facts))
    return found


def _past(log: Log) -> pl.LazyFrame:
    """user, item, time, first: what users did before their first slate of the experiment."""
    mine = log.slates.filter(pl.col("variant").fill_null("") != "")
    firsts = mine.group_by("user").agg(first=pl.col("time").min())
    rows = log.events.filter(pl.col("item") != "").select("user", "item", "time").join(firsts, on="user")
    return rows.filter(pl.col("time") < pl.col("first"))


def _categories(shown: pl.LazyFrame) -> Part:
    """Different categories of a slate, over its places."""
    known = shown.drop_nulls("category").group_by("decision")
    return Part(
        known.agg(categories=pl.col("category").n_unique(), categorised=pl.len()), ("categories", "categorised")
    )


def _calibration(shown: pl.LazyFrame, past: pl.LazyFrame, facts: ItemFacts) -> Part:
    """KL divergence of a slate's categories from the user's recency-weighted taste; 0 is as the user is.

    H. Steck, "Calibrated recommendations" (RecSys 2018), equations 2 and 4, with α = 0.01.
    """
    topics = facts.items.lazy().select("item", "category").drop_nulls("category")
    weight = 0.5 ** ((pl.col("first") - pl.col("time")) / (HALF_LIFE * DAY))
    taste = (
        past.join(topics, on="item")
        .group_by("user", "category")
        .agg(p=weight.sum())
        .with_columns(p=pl.col("p") / pl.col("p").sum().over("user"))
    )
    share = shown.drop_nulls("category").group_by("decision", "user", "category").agg(n=pl.len())
    share = share.with_columns(q=pl.col("n") / pl.col("n").sum().over("decision"))
    owners = share.select("decision", "user").unique().join(taste, on="user")  # every category of the taste
    mixed = (1 - SMOOTHING) * pl.col("q").fill_null(0.0) + SMOOTHING * pl.col("p")
    each = (
        owners.join(share.select("decision", "category", "q"), on=["decision", "category"], how="left")
        .group_by("decision")
        .agg(kl_sum=(pl.col("p") * (pl.col("p") / mixed).log()).sum(), calibrated=pl.lit(1))
    )
    return Part(each, ("calibrated",), ("kl_sum",))


def _popularity(shown: pl.LazyFrame, past: pl.LazyFrame, facts: ItemFacts) -> Part:
    """Bits of surprise of what is shown, and its popularity beside that of what the user had chosen.

    Novelty: T. Zhou and others, "Solving the apparent diversity-accuracy dilemma" (PNAS 2010). Lift: D. Kowald, M.
    Schedl, E. Lex, "The unfairness of popularity bias in music recommendation" (ECIR 2020).
    """
    known = facts.items.lazy().select("item", "popularity").filter(pl.col("popularity") > 0)
    chosen = past.join(known, on="item").group_by("user").agg(own=pl.col("popularity").mean())
    bits = -pl.col("popularity").log(2)
    each = (
        shown.filter(pl.col("popularity") > 0)
        .join(chosen, on="user", how="left")
        .group_by("decision")
        .agg(
            bits_sum=bits.sum(),
            rated_popular=pl.len(),
            popularity_sum=pl.col("popularity").filter(pl.col("own").is_not_null()).sum(),
            own_popularity_sum=pl.col("own").sum(),
        )
    )
    return Part(each, ("rated_popular",), ("bits_sum", "popularity_sum", "own_popularity_sum"))


def _serendipity(log: Log, past: pl.LazyFrame, facts: ItemFacts) -> Part:
    """Per item shown to users with a history: clicked, times 1 minus the greatest likeness to what the user had.

    M. Ge, C. Delgado-Battenfeld, D. Jannach (RecSys 2010); the form with likeness: D. Kotkov, J. Veijalainen, S. Wang
    (Knowledge-Based Systems 2016).
    """
    assert facts.vectors is not None
    unit = np.asarray(facts.vectors, dtype=np.float32)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    index = facts.items.lazy().select("item").with_row_index("at")
    had = past.join(index, on="item").sort("time").group_by("user").agg(had=pl.col("at").tail(RECENT))
    clicked = log.those("click").select("decision", "item").unique()
    pairs = clicked.join(log.slates.select("decision", "user"), on="decision").join(index, on="item")
    told = pairs.join(had, on="user").select("decision", "at", "had").collect()
    flat = told.with_row_index("row").explode("had")
    row, own, at = (flat[name].to_numpy() for name in ("row", "had", "at"))
    best = np.full(told.height, -1.0)
    for start in range(0, len(row), 200_000):  # blocks keep the gathered vectors small
        part = slice(start, start + 200_000)
        np.maximum.at(best, row[part], np.einsum("ij,ij->i", unit[at[part]], unit[own[part]]))
    surprise = told.lazy().select("decision").with_columns(surprise=pl.Series(1 - best))
    sums = surprise.group_by("decision").agg(serendipity_sum=pl.col("surprise").sum())
    known = log.slates.join(had.select("user"), on="user", how="semi")
    places = known.select("decision", serendipity_places=pl.col("items").list.len())
    return Part(places.join(sums, on="decision", how="left"), ("serendipity_places",), ("serendipity_sum",))
