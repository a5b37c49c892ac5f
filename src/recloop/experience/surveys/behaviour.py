"""What users did, as numbers that may tell how satisfied they are and how likely they are to answer."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

# sums over slates, and sums of what is rated over its count
PER_SLATE = ("clicks", "clicked_slates", "abandoned", "purchases", "repeats", "fallbacks", "latency_sum")
MEANS = (("rating_sum", "ratings"), ("sentiment_sum", "comments"), ("diversity_sum", "diversity_slates"))
AMOUNTS = ("slates", "revenue", "spend", "ratings", "comments")


def behaviour(table: pl.DataFrame) -> NDArray[np.float64]:
    """(users, d) clicks, purchases and the like per slate, mean ratings and moods, and amounts; NaN where unknown.

    Args:
        table: one row per user, as ``metrics.outcomes.user_table`` makes it; columns that it lacks are left out.

    >>> table = pl.DataFrame({"slates": [1, 3], "clicks": [1, 0], "rating_sum": [0.0, 8.0], "ratings": [0, 2]})
    >>> behaviour(table)[:, :2].tolist()
    [[1.0, nan], [0.0, 4.0]]
    """
    there = set(table.columns)
    columns = [pl.col(name) / pl.col("slates") for name in PER_SLATE if name in there]
    columns += [pl.col(total) / pl.when(pl.col(n) > 0).then(pl.col(n)) for total, n in MEANS if {total, n} <= there]
    columns += [pl.col(name).cast(pl.Float64).clip(0).log1p() for name in AMOUNTS if name in there]
    frame = table.select(
        column.cast(pl.Float64).fill_null(float("nan")).alias(str(i)) for i, column in enumerate(columns)
    )
    return frame.to_numpy()
