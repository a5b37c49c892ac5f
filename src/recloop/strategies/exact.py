"""Every item scored."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recloop.data.rankings import Rankings, top_k

BLOCK = 2**24  # scores made at a time

Floats = NDArray[np.float32]


class Exact:
    """Scores every item.

    Args:
        vectors: (n_items, d) float32.
    """

    def __init__(self, vectors: Floats) -> None:
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Rankings:
        """See ``Index.search``."""
        blocks = []
        for rows in _blocks(len(queries), len(self)):
            scores = queries[rows] @ self._vectors.T
            if allowed is not None:
                scores[:, ~allowed] = -np.inf
            blocks.append(top_k(scores, k))
        if not blocks:
            return Rankings(np.empty((0, k), np.int32), np.empty((0, k), np.float32))
        return Rankings(np.concatenate([b.items for b in blocks]), np.concatenate([b.scores for b in blocks]))

    def scores(self, query: Floats, items: NDArray[np.integer]) -> Floats:
        """See ``Index.scores``."""
        found: Floats = self._vectors[items] @ query
        return found

    def add(self, vectors: Floats) -> None:
        """See ``Index.add``."""
        self._vectors = np.concatenate([self._vectors, vectors])


def _blocks(n: int, n_items: int) -> Iterator[slice]:
    step = max(1, BLOCK // max(1, n_items))
    return (slice(at, at + step) for at in range(0, n, step))
