"""Decisions and what followed, as what each policy earned: one row per slate, then one per user."""

from itertools import combinations

import polars as pl

from recloop.errors import DataError
from recloop.experiments.interleaving.definition import Interleaving
from recloop.metrics.outcomes.attribution import attributed

DECISIONS = ("id", "user", "time", "items", "arm")
EVEN = 1e-4  # a slate is won by more than the rounding of its credits
EVENTS = ("user", "item", "kind", "value", "time", "decision")


def earned(definition: Interleaving, decisions: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """One row per interleaved slate: decision, user, time, and what each policy earned by it.

    Args:
        definition: what was agreed on.
        decisions: id, user, time, items, and the ballot in ``arm``; those without one, or without a user, get no row.
        events: user, item, kind, value, time, decision. Attributed as in ``metrics.outcomes.user_table``: to the
            decision that they name, else to the latest one that showed the item to the user.

    Returns:
        decision, user, time, informative (whether the rankings differed), and for each policy ``credit.`` with its name
        (what it earned) and ``luck.`` with its name: what it would earn where place i is clicked with probability 1/i,
        whatever is there.

    Raises:
        DataError: a column is missing, an id comes twice, or an ``arm`` is no ballot of these policies.
    """
    _require(decisions, "decisions", DECISIONS)
    _require(events, "events", EVENTS)
    if twice := decisions.height - decisions["id"].n_unique():
        raise DataError(f"{twice} decisions have an id that came before", allowed="ids of decisions are unique")
    slates = decisions.lazy().sort("time", "id").select("user", "time", "items", "arm", decision="id")
    weights = _weights(definition, slates, events)
    ballots = _ballots(definition, slates.filter(pl.col("arm") != "", pl.col("user") != ""))
    places = ballots.explode("items", "credits").with_columns(place=pl.int_range(pl.len()).over("decision"))
    places = places.join(weights, left_on=["decision", "items"], right_on=["decision", "item"], how="left")
    places = places.with_columns(pl.col("weight").fill_null(0.0))
    mine = pl.col("credits")
    if pairwise := definition.method == "pairwise":  # against the place below: as good as any, and quickly summed
        mine = mine.list.get(pl.col("place") + 1, null_on_oob=True)
    luck = places.group_by("decision").agg(_sums(definition, "luck", mine, 1 / (pl.col("place") + 1)))
    got = _passed_over(places) if pairwise else places.filter(pl.col("weight") > 0)
    gain = got.group_by("decision").agg(_sums(definition, "credit", pl.col("credits"), pl.col("weight")))
    columns = [f"{what}.{name}" for what in ("credit", "luck") for name in definition.policies]
    return (
        ballots.select("decision", "user", "time", informative=pl.col("arm").str.contains("[1-9]"))
        .join(gain, on="decision", how="left")
        .join(luck, on="decision", how="left")
        .with_columns(pl.col(columns).fill_null(0.0))
        .sort("time", "decision")
        .collect()
    )


def per_user(definition: Interleaving, slates: pl.DataFrame) -> pl.DataFrame:
    """One row per user: first, slates, credits and luck of each policy, and slates won of each pair (``a>b``)."""
    sums = [pl.col(f"credit.{name}", f"luck.{name}").sum() for name in definition.policies]
    won = [
        (pl.col(f"credit.{one}") - pl.col(f"credit.{other}") > EVEN).sum().alias(f"{one}>{other}")
        for pair in combinations(definition.policies, 2)
        for one, other in (pair, pair[::-1])
    ]
    return (
        slates.group_by("user")
        .agg(pl.col("time").min().alias("first"), pl.len().alias("slates"), pl.col("informative").sum(), *sums, *won)
        .sort("first", "user")
    )


def _require(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    if lacking := [column for column in columns if column not in frame.columns]:
        raise DataError(f"the {name} have no column {', '.join(lacking)}", allowed=f"needed: {', '.join(columns)}")


def _weights(definition: Interleaving, slates: pl.LazyFrame, events: pl.DataFrame) -> pl.LazyFrame:
    """Decision, item, weight: what the events on an item shown are worth, each kind once."""
    exposures = slates.select("decision", "user", "time", item="items").explode("item").drop_nulls("item")
    counted = events.lazy().filter(pl.col("kind").is_in(list(definition.credit)), pl.col("item") != "")
    return (
        attributed(counted, exposures, slates.select("decision", "user", "time"), definition.window)
        .unique(["decision", "item", "kind"])
        .group_by("decision", "item")
        .agg(weight=pl.col("kind").replace_strict(definition.credit, return_dtype=pl.Float64).sum())
    )


def _ballots(definition: Interleaving, slates: pl.LazyFrame) -> pl.LazyFrame:
    """The slates with their credits: per place a list over the policies, or over places and policies."""
    row: pl.DataType = pl.List(pl.Float64())
    shape = pl.List(pl.List(row)) if definition.method == "pairwise" else pl.List(row)
    try:
        found = slates.with_columns(credits=pl.col("arm").str.json_decode(shape)).collect()
    except pl.exceptions.PolarsError:
        raise DataError(
            "the arm of a decision is no ballot", advice=f"was it made by '{definition.method}' interleaving?"
        ) from None
    widths = found["credits"].explode()
    widths = widths.explode() if definition.method == "pairwise" else widths
    odd = (found["credits"].list.len() != found["items"].list.len()).sum()
    if odd or set(widths.drop_nulls().list.len()) - {len(definition.policies)}:
        raise DataError(
            "a ballot does not fit its slate", allowed=f"credits of {len(definition.policies)} policies for each place"
        )
    return found.lazy()


def _passed_over(places: pl.LazyFrame) -> pl.LazyFrame:
    """One row per place that was clicked and one that was passed over, with the credits of that."""
    touched = pl.col("weight") > 0
    last = pl.col("place").filter(touched).max().over("decision")
    passed = places.filter(~touched & (pl.col("place") <= last + 1)).select("decision", other="place")
    return (
        places.filter(touched)
        .explode("credits")
        .with_columns(other=pl.int_range(pl.len()).over("decision", "place"))
        .join(passed, on=["decision", "other"])
    )


def _sums(definition: Interleaving, what: str, worth: pl.Expr, weight: pl.Expr) -> list[pl.Expr]:
    return [(worth.list.get(at) * weight).sum().alias(f"{what}.{name}") for at, name in enumerate(definition.policies)]
