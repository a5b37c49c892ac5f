from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.data.compiled import compiled


@dataclass(frozen=True, slots=True)
class Rankings:
    """Many slates as arrays, best first; short slates are padded with item -1 and score -inf.

    Attributes:
        items: (n, k) int32 item indices.
        scores: (n, k) float32.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def k(self) -> int:
        """Places per slate."""
        return int(self.items.shape[1])


def along(values: NDArray[Any], columns: NDArray[np.integer]) -> NDArray[Any]:
    """(n, m) the values (n, width) at columns (n, m): ``np.take_along_axis`` without most of what a call of it costs.

    >>> along(np.array([[5, 6, 7], [1, 2, 3]]), np.array([[2, 0], [1, 1]])).tolist()
    [[7, 5], [2, 2]]
    """
    if len(values) == 1:
        alone: NDArray[Any] = values[0].take(columns[0])[None]
        return alone
    found: NDArray[Any] = values[np.arange(len(values))[:, None], columns]
    return found


def top_k(scores: NDArray[np.float32], k: int) -> Rankings:
    """The k best items of each row; -inf and NaN never enter; ties go to the lower item index.

    Args:
        scores: (n, n_items) float32.
        k: places per slate; above n_items the rest is padding.

    >>> top_k(np.array([[1, 3, 3, -np.inf]], dtype=np.float32), 4).items.tolist()
    [[1, 2, 0, -1]]
    """
    if kernels := compiled("recloop.data.kernels", work=scores.size):
        items, found = np.empty((len(scores), k), np.int32), np.empty((len(scores), k), np.float32)
        kernels.top_k(np.ascontiguousarray(scores, np.float32), items, found)
        return Rankings(items=items, scores=found)
    return _top_k(scores, k)


def _top_k(scores: NDArray[np.float32], k: int) -> Rankings:
    n, width = scores.shape
    depth = min(k, width)
    scores = np.where(np.isnan(scores), -np.inf, scores) if np.isnan(scores.max(initial=-np.inf)) else scores
    bound = np.partition(scores, width - depth, axis=1)[:, width - depth, None]
    keep = scores >= bound
    crowded = np.flatnonzero(np.count_nonzero(keep, axis=1) > depth)
    if len(crowded):  # more items tie at the bound than there are places: the first of them stay
        tied, above = scores[crowded] == bound[crowded], scores[crowded] > bound[crowded]
        room = depth - np.count_nonzero(above, axis=1, keepdims=True)
        keep[crowded] = above | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= room))
    places = np.nonzero(keep)[1].reshape(n, depth)
    found = along(scores, places)
    order = np.argsort(-found, axis=1, kind="stable")
    items = np.full((n, k), -1, np.int32)
    values = np.full((n, k), -np.inf, np.float32)
    items[:, :depth] = along(places, order)
    values[:, :depth] = along(found, order)
    items[values == -np.inf] = -1
    return Rankings(items=items, scores=values)
