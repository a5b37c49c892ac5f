"""How unlike each other the items of each slate are."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.vocabulary import Vocabulary


def with_diversity(decisions: pl.DataFrame, item_ids: Vocabulary, vectors: NDArray[np.floating]) -> pl.DataFrame:
    """The decisions with a column ``diversity``: mean of 1 - cosine over the pairs of items of each slate.

    Args:
        decisions: a frame with ``items``.
        item_ids: ids in the order of the rows of ``vectors``.
        vectors: (n_items, d), of any length. Items without a vector are left out; a slate needs two that have one.

    Source: B. Smyth, P. McClave, "Similarity vs. diversity", ICCBR 2001.
    """
    unit = np.asarray(vectors, dtype=np.float32)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    index = pl.DataFrame({"item": list(item_ids.ids), "place": np.arange(len(item_ids), dtype=np.int64)})
    places = (
        decisions.lazy()
        .select(row=pl.int_range(pl.len()), item="items")
        .explode("item")
        .join(index.lazy(), on="item", how="inner")
        .sort("row")
        .collect()
    )
    row, place = places["row"].to_numpy(), places["place"].to_numpy()
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    n = np.diff(starts, append=row.size)
    value = np.full(decisions.height, np.nan)
    if starts.size:
        total = np.empty((starts.size, unit.shape[1]), np.float32)
        for at in range(0, starts.size, 50_000):  # blocks keep the gathered vectors small
            first, end = starts[at], starts[at + 50_000] if at + 50_000 < starts.size else row.size
            total[at : at + 50_000] = np.add.reduceat(unit[place[first:end]], starts[at : at + 50_000] - first)
        own = np.add.reduceat(np.square(np.linalg.norm(unit, axis=1))[place], starts)
        pairs = np.maximum(n * (n - 1), 1)
        value[row[starts]] = np.where(n > 1, 1 - (np.square(total).sum(1) - own) / pairs, np.nan)
    return decisions.with_columns(diversity=pl.Series(value).fill_nan(None))
