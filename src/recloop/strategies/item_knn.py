from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import top_k
from recloop.progress import Progress
from recloop.strategies.base import BLOCK_BYTES, setting
from recloop.strategies.interactions import strongest
from recloop.strategies.neighbours import KERNELS, NeighbourStrategy, plain
from recloop.strategies.prior import popularity


class ItemKNN(NeighbourStrategy):
    """Items that the same people took: each item of the history brings its nearest neighbours.

    Similarity of items i and j is x_i . x_j / (|x_i| |x_j| + shrinkage), where x_i is the column of user weights;
    each item keeps its ``neighbours`` most similar (Deshpande & Karypis 2004, "Item-based top-N recommendation
    algorithms", section 4). A history scores the sum of the rows of its items, by weight.

    >>> from recloop.strategies.item_knn import ItemKNN
    >>> ItemKNN(neighbours=50).neighbours
    50
    """

    name: ClassVar[str] = "item-knn"
    summary: ClassVar[str] = "items that the same people took: cosine neighbours"

    neighbours: int = setting(20, "how many most similar items each item keeps", low=1, high=10_000)
    shrinkage: float = setting(10.0, "added to the denominator: distrusts similarities of few users", low=0, high=1e9)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        users = strongest(dataset.histories())
        items = sparse.csr_array(users.T)
        norms = np.sqrt(np.asarray(items.multiply(items).sum(axis=1))).ravel().astype(np.float32)
        n = dataset.n_items
        with progress.task("item-knn", total=n) as advance:
            kernels = compiled(KERNELS, work=users.nnz**2 / max(1, users.shape[0]))
            if kernels is not None:
                kept = np.empty((n, min(self.neighbours, n)), np.int32)
                score = np.empty(kept.shape, np.float32)
                kernels.nearest(*plain(items), *plain(users), norms, self.shrinkage, kept, score)
                advance(n)
            else:
                kept, score = _nearest(items, users, norms, self.shrinkage, min(self.neighbours, n), advance)
        there = kept >= 0
        indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        self._keep(sparse.csr_array((score[there], kept[there], indptr), shape=(n, n)), popularity(dataset))

    def _voices(self, histories: Histories) -> sparse.csr_array:
        return strongest(histories)


def _nearest(
    items: sparse.csr_array,
    users: sparse.csr_array,
    norms: NDArray[np.float32],
    shrinkage: float,
    neighbours: int,
    advance: Callable[[float], None],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(n_items, neighbours) the nearest items of each and their similarity, padded with -1, in blocks of items."""
    n = len(norms)
    step = max(1, BLOCK_BYTES // (4 * n))
    parts = []
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        near = (items[rows] @ users).toarray()
        near[np.arange(len(rows)), rows] = 0
        scale = norms[rows, None] * norms + np.float32(shrinkage)
        np.divide(near, scale, out=near, where=scale > 0)
        near[near <= 0] = -np.inf
        parts.append(top_k(near, neighbours))
        advance(len(rows))
    return np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts])
