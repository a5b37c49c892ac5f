"""What the log and the catalogue say of each item, whoever asks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.compose.facets import Facets
from recloop.data.dataset import Dataset
from recloop.data.kinds import RATING

DAY = 86400.0
YEAR = 365.25
DWELL = ("dwell", "watch", "listen", "read", "play")
"""Kinds of events whose value is a time in seconds."""
DRAWN = 10.0  # events that the mean of all items counts as, beside an item's own


@dataclass(frozen=True, eq=False)
class ItemTable:
    """One number an item and objective, and what items share.

    Attributes:
        columns: name → (n_items,) float64, NaN where unknown: users, novelty, age (days), rating, dwell, price, margin.
        taste: (n_items, g) sparse, the share of each category in an item; rows add to 1 or are empty.
        provider: (n_items,) int64 whose it is; -1 where unknown.
        providers: their names.
        vectors: (n_items, d) float32 of length 1 or 0; None where there are none.
    """

    columns: dict[str, NDArray[np.float64]]
    taste: sparse.csr_array
    provider: NDArray[np.int64]
    providers: tuple[str, ...]
    vectors: NDArray[np.float32] | None

    @property
    def n_items(self) -> int:
        """Items in the catalogue."""
        return self.taste.shape[0]

    @classmethod
    def of(cls, dataset: Dataset, vectors: NDArray[np.float32] | None, provider: str = "brand") -> "ItemTable":
        """What a log and its catalogue say.

        Means over few events are drawn to the mean of all items, as if it had been seen in ten more events.

        Args:
            dataset: the log.
            vectors: (n_items, d), or None.
            provider: the column that says whose an item is.

        >>> log = pl.DataFrame({"user": ["a", "b", "b"], "item": ["x", "x", "y"]})
        >>> ItemTable.of(Dataset.of(log), None).columns["novelty"].tolist()
        [0.0, 1.0]
        """
        facets = Facets.of(dataset.items)
        events = dataset.positive
        users = _counts(events.select("user", "item").unique()["item"], dataset.n_items)
        total = max(1, events["user"].n_unique())
        columns = {
            "users": users,
            "novelty": math.log2(total) - np.log2(np.maximum(users, 1.0)),
            "age": _age(dataset, facets),
            "rating": _drawn(dataset.events.filter(pl.col("kind") == RATING), dataset.n_items, log=False),
            "dwell": _drawn(dataset.events.filter(pl.col("kind").is_in(DWELL)), dataset.n_items, log=True),
            "price": facets.price.astype(np.float64),
            "margin": _numbers(dataset.items, "margin"),
        }
        whose, names = _providers(dataset.items, provider)
        share = np.asarray(facets.held.sum(axis=1)).ravel()
        taste = sparse.csr_array(sparse.diags_array(1.0 / np.maximum(share, 1.0)) @ facets.held)
        return cls(columns, taste, whose, names, None if vectors is None else _unit(vectors))

    @classmethod
    def restored(
        cls,
        columns: dict[str, NDArray[np.float64]],
        taste: sparse.csr_array,
        provider: NDArray[np.int64],
        providers: Iterable[str],
        vectors: NDArray[np.float32] | None,
    ) -> "ItemTable":
        """A table from its parts; vectors of any length."""
        return cls(columns, taste, provider, tuple(providers), None if vectors is None else _unit(vectors))

    def exposure_gap(self) -> NDArray[np.float64]:
        """(n_items,) log of a provider's share of the items over its share of the exposure; 0 where unknown."""
        if not self.providers:
            return np.full(self.n_items, np.nan)
        known = self.provider >= 0
        size = len(self.providers)
        owned = np.bincount(self.provider[known], minlength=size) + 1.0
        seen = np.bincount(self.provider[known], weights=self.columns["users"][known], minlength=size)
        # one more for each item: who was never shown has little exposure, not none
        ratio = np.log(owned / owned.sum()) - np.log((seen + owned) / (seen + owned).sum())
        gap: NDArray[np.float64] = np.where(known, ratio[np.maximum(self.provider, 0)], np.nan)
        return gap

    def new(self, share: float) -> NDArray[np.bool_]:
        """(n_items,) the youngest ``share`` of the items; the least taken ones where no age is known."""
        age, users = self.columns["age"], self.columns["users"]
        rank = np.argsort(np.lexsort((users, np.where(np.isnan(age), np.inf, age))), kind="stable")
        youngest: NDArray[np.bool_] = rank < max(1, round(share * len(users)))
        return youngest


def _counts(items: pl.Series, n_items: int) -> NDArray[np.float64]:
    counts: NDArray[np.float64] = np.bincount(items.to_numpy(), minlength=n_items).astype(np.float64)
    return counts


def _drawn(events: pl.DataFrame, n_items: int, *, log: bool) -> NDArray[np.float64]:
    """Mean value of an item's events, drawn to that of all; NaN everywhere where there is no such event."""
    values = events.filter(pl.col("value").is_not_null())
    if values.is_empty():
        return np.full(n_items, np.nan)
    at, value = values["item"].to_numpy(), values["value"].to_numpy().astype(np.float64)
    value = np.log1p(np.maximum(value, 0.0)) if log else value
    count = np.bincount(at, minlength=n_items)
    sums = np.bincount(at, weights=value, minlength=n_items)
    mean: NDArray[np.float64] = (sums + DRAWN * value.mean()) / (count + DRAWN)
    return mean


def _age(dataset: Dataset, facets: Facets) -> NDArray[np.float64]:
    """Days since the first event of an item; years since its release where events have no times."""
    age = np.full(dataset.n_items, np.nan)
    if dataset.has_times:
        first = dataset.events.group_by("item").agg(pl.col("time").min())
        age[first["item"].to_numpy()] = (dataset.now - first["time"].to_numpy()) / DAY
        age[np.isnan(age)] = 0.0  # nobody touched it yet
        return age
    year = facets.year.astype(np.float64)
    if np.isnan(year).all():
        return age
    return (np.nanmax(year) - year) * YEAR


def _numbers(items: pl.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in items.columns:
        return np.full(items.height, np.nan)
    return items[name].cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy().copy()


def _providers(items: pl.DataFrame, column: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if column not in items.columns:
        return np.full(items.height, -1, np.int64), ()
    names = items[column].cast(pl.String)
    known = names.drop_nulls().unique().sort()
    places = {name: place for place, name in enumerate(known)}
    found = names.replace_strict(places, default=-1, return_dtype=pl.Int64).fill_null(-1) if places else names
    return (found.to_numpy().copy() if places else np.full(items.height, -1, np.int64)), tuple(known.to_list())


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    from recloop.compose.diversity import unit

    return unit(vectors)
