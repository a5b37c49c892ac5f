"""The decisions of an experiment beside all others, as its measures read them."""

import polars as pl

from recloop.app.read_once import Readable


def decisions_of(store: Readable, name: str, since: float) -> pl.DataFrame:
    """All decisions from a time on; ``variant`` is empty in those of other experiments or of none."""
    mine = pl.when(pl.col("experiment") == name).then(pl.col("variant")).otherwise(pl.lit(""))
    return with_guests(store.decisions(since=since)).with_columns(variant=mine)


def with_guests(decisions: pl.DataFrame) -> pl.DataFrame:
    """The decisions with a user of its own for each session, or request, of somebody who is not known."""
    # who is anonymous is one user per session, or per request: all of them together are nobody
    someone = pl.when(pl.col("user") != "").then(pl.col("user"))
    guest = pl.when(pl.col("session") != "").then("session " + pl.col("session")).otherwise("request " + pl.col("id"))
    return decisions.with_columns(someone.otherwise(guest).alias("user"))
