import numpy as np
from numpy.typing import NDArray

from recloop.compose.fusion.fused import Fused
from recloop.data.rankings import Rankings, along


def cascade(retrieved: Fused, scores: NDArray[np.floating]) -> Fused:
    """What some sources retrieved, in the order of another: the cheap ones find, the dear one ranks.

    Wang, Lin & Metzler, "A cascade ranking model for efficient ranked retrieval", SIGIR 2011. What the ranker does not
    score (-inf) comes after what it scores, in the order of retrieval, with scores below. Ties keep that order.

    Args:
        retrieved: (n, m) items.
        scores: (n, m) what the ranker says of each.

    >>> found = Fused(Rankings(np.array([[4, 7, 2]], np.int32), np.array([[0.9, 0.8, 0.1]], np.float32)),
    ...               np.zeros((1, 3), np.int16))
    >>> cascade(found, np.array([[0.5, -np.inf, 2.0]])).rankings.items.tolist()
    [[2, 4, 7]]
    """
    held = retrieved.rankings.items >= 0
    known = held & np.isfinite(scores)
    lowest = np.where(known, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    below = np.where(np.isfinite(lowest), lowest, 0.0) - 1.0 - np.arange(held.shape[1])
    filled = np.where(known, scores, np.where(held, below, -np.inf))
    order = np.argsort(-filled, axis=1, kind="stable")
    return Fused(
        Rankings(
            along(retrieved.rankings.items, order),
            along(filled, order).astype(np.float32),
        ),
        along(retrieved.sources, order),
    )
