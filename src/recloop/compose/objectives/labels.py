"""What came of candidates in events that were held out: clicked, converted, rated."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.kinds import RATING
from recloop.data.split import Split

PURCHASES = ("purchase", "buy", "order", "booking", "subscribe", "convert", "conversion")
LIKED = 0.8  # of the best rating there is: four of five stars


@dataclass(frozen=True, eq=False)
class Labels:
    """Outcomes of n requests' candidates.

    Attributes:
        click: (n, m) bool, whether there was any held-out event on the item.
        convert: (n, m) bool, whether one was a purchase, or, where nothing is ever bought, a good rating; None where
            the log holds neither.
        rating: (n, m) stars, NaN where none; None where the log holds none.
        meaning: of a conversion, in words.
    """

    click: NDArray[np.bool_]
    convert: NDArray[np.bool_] | None
    rating: NDArray[np.float64] | None
    meaning: str = ""

    @classmethod
    def of(cls, dataset: Dataset, split: Split, items: NDArray[np.int32], rows: NDArray[np.integer]) -> "Labels":
        """The labels of candidates.

        Args:
            dataset: the whole log that was split.
            split: the requests.
            items: (n, m) candidates; -1 is padding.
            rows: (n,) of the split, one for each row of ``items``.
        """
        held = _held_out(dataset, split, rows)
        click = _spread(held, items, dataset.n_items)
        buys = held.filter(pl.col("kind").is_in(PURCHASES))
        stars = held.filter((pl.col("kind") == RATING) & pl.col("value").is_not_null())
        rating = _values(stars, items, dataset.n_items) if stars.height else None
        if buys.height:
            return cls(click, _spread(buys, items, dataset.n_items), rating, "a purchase")
        if rating is None:
            return cls(click, None, None)
        values = dataset.events.filter(pl.col("kind") == RATING)["value"]
        best = values.max()
        least = LIKED * float(best if isinstance(best, int | float) else 0.0)
        return cls(click, np.nan_to_num(rating, nan=-np.inf) >= least, rating, f"a rating of at least {least:g}")

    def take(self, start: int, stop: int) -> "Labels":
        """Those of requests ``start`` to ``stop``."""
        return Labels(
            self.click[start:stop],
            None if self.convert is None else self.convert[start:stop],
            None if self.rating is None else self.rating[start:stop],
            self.meaning,
        )


def _held_out(dataset: Dataset, split: Split, rows: NDArray[np.integer]) -> pl.DataFrame:
    """row, item, kind, value of the requests' events that are neither in the training nor in the history."""
    asked = pl.DataFrame({"user": split.users[rows], "row": np.arange(len(rows), dtype=np.int64)})
    past = split.histories.take(rows)
    known = pl.concat(
        [
            split.train.events.select("user", "item"),
            pl.DataFrame({"user": split.users[rows][past.rows], "item": past.items}),
        ]
    )
    return (
        dataset.events.join(asked, on="user")
        .join(known, on=["user", "item"], how="anti")
        .select("row", "item", "kind", "value")
    )


def _spread(events: pl.DataFrame, items: NDArray[np.int32], n_items: int) -> NDArray[np.bool_]:
    codes = np.unique(events["row"].to_numpy() * n_items + events["item"].to_numpy())
    cells = np.arange(len(items), dtype=np.int64)[:, None] * n_items + items
    found: NDArray[np.bool_] = np.isin(cells, codes) & (items >= 0)
    return found


def _values(events: pl.DataFrame, items: NDArray[np.int32], n_items: int) -> NDArray[np.float64]:
    last = events.unique(["row", "item"], keep="last", maintain_order=True)
    rows, held, values = (last[name].to_numpy() for name in ("row", "item", "value"))
    cells = np.arange(len(items), dtype=np.int64)[:, None] * n_items + items
    codes = rows * n_items + held
    order = np.argsort(codes)
    place = np.minimum(np.searchsorted(codes[order], cells), len(codes) - 1)
    there = (codes[order][place] == cells) & (items >= 0)
    return np.where(there, values[order][place].astype(np.float64), np.nan)
