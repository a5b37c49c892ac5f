from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import top_k
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.prior import fill_unreached, popularity

BLOCK = 512  # items whose similarities are made at once


class ItemKNN(Strategy):
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

    neighbours: int = setting(100, "how many most similar items each item keeps", low=1, high=10_000)
    shrinkage: float = setting(10.0, "added to the denominator: distrusts similarities of few users", low=0, high=1e9)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        users = dataset.matrix()
        items = sparse.csr_array(users.T)
        norms = np.sqrt(np.asarray(items.multiply(items).sum(axis=1)).ravel())
        n = dataset.n_items
        places, values = [], []
        with progress.task("item-knn", total=n) as advance:
            for start in range(0, n, BLOCK):
                rows = np.arange(start, min(start + BLOCK, n))
                dots = (items[rows] @ users).toarray()
                dots[np.arange(len(rows)), rows] = 0
                dots /= norms[rows, None] * norms + self.shrinkage + (norms == 0)
                dots[dots <= 0] = -np.inf
                best = top_k(dots, min(self.neighbours, n))
                places.append(best.items)
                values.append(best.scores)
                advance(len(rows))
        kept, score = np.concatenate(places), np.concatenate(values)
        there = kept >= 0
        indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        self._near = sparse.csr_array((score[there], kept[there], indptr), shape=(n, n))
        self._prior = popularity(dataset)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return fill_unreached((histories.matrix() @ self._near).toarray(), self._prior)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        table = self._near
        return {"data": table.data, "indices": table.indices, "indptr": table.indptr, "prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._prior = arrays["prior"]
        n = len(self._prior)
        self._near = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))
