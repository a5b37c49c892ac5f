from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import RATING
from recloop.data.split import Split
from recloop.errors import DataError
from recloop.evaluate.ranker import Rater
from recloop.metrics import Ratings

BLOCK = 2**20  # entries of a padded block of items


@dataclass(frozen=True, eq=False)
class HeldOutRatings:
    """Ratings that users gave after the moment of the request, low ones too.

    Attributes:
        rows: (m,) int64 row of the split, ascending.
        items: (m,) int32.
        values: (m,) float64.
    """

    rows: NDArray[np.int64]
    items: NDArray[np.int32]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> "HeldOutRatings":
        """The ratings of the judged users on items that are in neither the training nor their history.

        Where a user rated an item more than once, the last rating counts.

        Args:
            dataset: the whole log that was split.
            split: how it was split.
        """
        rows = pl.DataFrame({"user": split.users, "row": np.arange(len(split), dtype=np.int64)})
        known = pl.concat(
            [
                split.train.events.select("user", "item"),
                pl.DataFrame({"user": split.users[split.histories.rows], "item": split.histories.items}),
            ]
        )
        held = (
            dataset.events.filter((pl.col("kind") == RATING) & pl.col("value").is_not_null())
            .select("user", "item", "value")
            .join(rows, on="user")
            .join(known, on=["user", "item"], how="anti")
            .unique(["row", "item"], keep="last", maintain_order=True)
            .sort("row", maintain_order=True)
        )
        return cls(
            rows=held["row"].to_numpy(), items=held["item"].to_numpy(), values=held["value"].cast(pl.Float64).to_numpy()
        )

    def predicted_by(self, rater: Rater, histories: Histories) -> Ratings:
        """What a strategy foretells for each rating, asked for in blocks of users.

        Raises:
            DataError: the strategy answers in another shape.
        """
        starts = np.searchsorted(self.rows, np.arange(len(histories) + 1))
        counts = np.diff(starts)
        columns = np.arange(len(self.rows)) - starts[self.rows]
        predicted = np.full(len(self.rows), np.nan)
        step = max(1, BLOCK // max(1, int(counts.max(initial=1))))
        for start in range(0, len(histories), step):
            block = histories.block(start, start + step)
            inside = slice(starts[start], starts[start + len(block)])
            rows, places = self.rows[inside] - start, columns[inside]
            if not len(rows):
                continue
            items = np.full((len(block), int(counts[start : start + step].max())), -1, dtype=np.int32)
            items[rows, places] = self.items[inside]
            answer = np.asarray(rater.predict(block, items), dtype=np.float64)
            if answer.shape != items.shape:
                raise DataError(f"predict answered with shape {answer.shape}", allowed=f"{items.shape} was asked for")
            predicted[inside] = answer[rows, places]
        return Ratings(rows=self.rows, actual=self.values, predicted=predicted)
