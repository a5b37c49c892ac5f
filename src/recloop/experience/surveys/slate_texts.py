"""What the slates that users saw were about, as a few numbers."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh

from recloop.data.vocabulary import Vocabulary

MOST = 8  # directions: answers are few, and each costs some of what they tell


def slate_texts(
    decisions: pl.DataFrame, users: pl.Series, items: Vocabulary, vectors: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(users, at most 8) where the mean text of what each user was shown lies, along the main directions of all users.

    The directions are principal components (Pearson 1901; Jolliffe 2002, "Principal component analysis", section 2.1)
    of the users' mean vectors, so they are learned without a single answer. NaN for who saw no item with a vector.

    Args:
        decisions: user, items.
        users: (n,) different ids.
        items: in the order of the vectors.
        vectors: (n_items, d) of the items' texts; zeros where an item has none.

    >>> items = Vocabulary(["red", "blue"])
    >>> shown = pl.DataFrame({"user": ["u", "v", "w"], "items": [["red", "red"], ["blue"], []]})
    >>> found = slate_texts(shown, pl.Series(["u", "v", "w"]), items, np.eye(2))
    >>> bool(found[0, 0] == -found[1, 0] != 0), np.isnan(found[2]).all()
    (True, np.True_)
    """
    rows = pl.DataFrame({"user": users}).with_row_index("row")
    known = pl.DataFrame({"item": pl.Series(items.ids, dtype=pl.String)}).with_row_index("place")
    seen = decisions.select("user", item="items").explode("item").join(rows, on="user").join(known, on="item")
    shape = (len(users), len(items))
    counts = sparse.csr_array((np.ones(seen.height), (seen["row"].to_numpy(), seen["place"].to_numpy())), shape=shape)
    there = np.linalg.norm(vectors, axis=1) > 0
    number = counts @ there.astype(np.float64)
    some = number > 0
    mean = np.asarray(counts @ vectors.astype(np.float64)) / np.maximum(number, 1)[:, None]
    found = np.full((len(users), min(MOST, vectors.shape[1])), np.nan)
    if not some.any():
        return found
    moved = mean[some] - mean[some].mean(axis=0)
    _, axes = eigh(moved.T @ moved)
    found[some] = moved @ axes[:, ::-1][:, : found.shape[1]]
    return found
