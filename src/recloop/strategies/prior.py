"""What a strategy answers where the history says nothing: what most people take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings

# An item that the history does not reach scores PRIOR_SCALE x its popularity: below every item that it reaches, and
# still in a sensible order. float32 holds down to 1e-38, so even the rarest of items keeps its place.
PRIOR_SCALE = np.float32(1e-12)


def popularity(dataset: Dataset) -> NDArray[np.float32]:
    """(n_items,) float32: the weight of all events of each item as a share of the greatest, in [0, 1].

    >>> import polars as pl
    >>> popularity(Dataset.of(pl.DataFrame({"user": ["a", "b", "b"], "item": ["x", "x", "y"]}))).tolist()
    [1.0, 0.5]
    """
    events = dataset.positive
    weights = events["weight"].to_numpy().astype(np.float64)
    return share(np.bincount(events["item"].to_numpy(), weights, minlength=dataset.n_items))


def share(counts: NDArray[Any]) -> NDArray[np.float32]:
    """Counts as shares of the greatest; zeros where all are zero."""
    greatest = counts.max(initial=0.0)
    return (counts / greatest if greatest > 0 else np.zeros_like(counts)).astype(np.float32)


def answer_empty(scores: NDArray[np.float32], histories: Histories, prior: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of ``scores`` whose history is empty become the prior, in place."""
    scores[histories.lengths == 0] = prior
    return scores


def fill_unreached(scores: NDArray[np.float32], prior: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of exactly 0 become the scaled prior, in place."""
    np.copyto(scores, prior * PRIOR_SCALE, where=scores == 0)
    return scores


class Order:
    """Items in the order of scores that are the same for everyone, sorted once.

    Args:
        scores: (n_items,) float32.

    >>> Order(np.array([1, 3, 2], np.float32)).best(2, np.array([True, False, True])).items.tolist()
    [[2, 0]]
    """

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self._scores = scores
        self._items = np.argsort(-scores, kind="stable").astype(np.int32)

    def best(self, k: int, allowed: NDArray[np.bool_] | None = None) -> Rankings:
        """(1, k) the best items, those that are not allowed left out."""
        items = self._items[:k]
        looked = k
        while allowed is not None:  # a little more of the order each time, until there are enough
            looked = min(2 * looked, len(self._items))
            items = self._items[:looked][allowed[self._items[:looked]]][:k]
            if len(items) == k or looked == len(self._items):
                break
        ranked = Rankings(np.full((1, k), -1, np.int32), np.full((1, k), -np.inf, np.float32))
        ranked.items[0, : len(items)], ranked.scores[0, : len(items)] = items, self._scores[items]
        return ranked
