from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


def top_k(scores: NDArray[np.float32], k: int) -> Rankings:
    """The k best items of each row; -inf and NaN never enter; ties go to the lower item index.

    Args:
        scores: (n, n_items) float32.
        k: places per slate; above n_items the rest is padding.

    >>> top_k(np.array([[1, 3, 3, -np.inf]], dtype=np.float32), 4).items.tolist()
    [[1, 2, 0, -1]]
    """
    n, width = scores.shape
    depth = min(k, width)
    scores = np.where(np.isnan(scores), -np.inf, scores) if np.isnan(scores).any() else scores
    if depth < width:
        # argpartition picks arbitrary members among ties at the boundary: rows where that matters are sorted in full
        places = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        found = np.take_along_axis(scores, places, axis=1)
        bound = found.min(axis=1, keepdims=True)
        tied = ((scores == bound).sum(axis=1) > (found == bound).sum(axis=1)) & np.isfinite(bound[:, 0])
        if tied.any():
            places[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :depth]
    else:
        places = np.tile(np.arange(width), (n, 1))
    places.sort(axis=1)
    found = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    items = np.take_along_axis(places, order, axis=1).astype(np.int32)
    found = np.take_along_axis(found, order, axis=1).astype(np.float32)
    items[~np.isfinite(found)] = -1
    if depth < k:
        items = np.pad(items, ((0, 0), (0, k - depth)), constant_values=-1)
        found = np.pad(found, ((0, 0), (0, k - depth)), constant_values=-np.inf)
    return Rankings(items=items, scores=found)
