"""What a release and the log know of items, for the measures of what slates look like."""

from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.vocabulary import Vocabulary
from recloop.metrics.outcomes import ItemFacts


class Shown(Protocol):
    """What a readout needs of the release whose items were shown."""

    @property
    def items(self) -> Vocabulary:
        """The catalogue, in the order of the vectors."""
        ...

    @property
    def catalogue(self) -> pl.DataFrame:
        """One row per item: ``item``, and what is known of it."""
        ...

    @property
    def vectors(self) -> NDArray[np.float32] | None:
        """(n_items, d), or None where there are none; then the diversity of slates is not measured."""
        ...


def release_facts(shown: Shown, events: pl.DataFrame, first: float) -> ItemFacts:
    """The facts of a release's items.

    The first of several categories counts. Popularity is the share of users who did anything with an item before the
    first slate: without such events it is not known.

    Args:
        shown: the release.
        events: user, item, time.
        first: seconds since 1970 of the first slate that is read.
    """
    kept = [name for name in ("item", "category", "brand", "provider", "arrived") if name in shown.catalogue.columns]
    items = shown.catalogue.select(kept)
    if "category" in kept:
        items = items.with_columns(pl.col("category").cast(pl.String).str.split("|").list.first())
    return ItemFacts(with_popularity(items, events, first), shown.vectors)


def with_popularity(items: pl.DataFrame, events: pl.DataFrame, first: float) -> pl.DataFrame:
    """The items with the share of users who had each before a moment; as they are where no event is that old."""
    before = events.filter(pl.col("time") < first, pl.col("item") != "")
    if "popularity" in items.columns or not before.height:
        return items
    users = before["user"].n_unique()
    had = before.group_by("item").agg(popularity=pl.col("user").n_unique() / users)
    return items.join(had, on="item", how="left", maintain_order="left")
