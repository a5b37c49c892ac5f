from typing import ClassVar

from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import BLOCK_BYTES, setting
from recloop.strategies.elastic_net import elastic_net
from recloop.strategies.interactions import strongest
from recloop.strategies.neighbours import NeighbourStrategy
from recloop.strategies.normalised import normalise
from recloop.strategies.prior import popularity


class Slim(NeighbourStrategy):
    """A linear item-to-item model of few weights, none below zero: as exact as ``ease`` and served like ``item-knn``.

    W minimises ``|X - X W|^2 / 2 + l2 |W|^2 / 2 + l1 |W|_1`` with ``W >= 0`` and ``diag(W) = 0`` (Ning & Karypis 2011,
    "SLIM: sparse linear methods for top-N recommender systems", equation 3). A history x scores ``x W``. X is evened
    out first as in ``ease``. Columns are solved one by one on the sparse Gram matrix, whose entries are what is kept in
    memory while learning.

    >>> from recloop.strategies.slim import Slim
    >>> Slim(l1=2).l1
    2
    """

    name: ClassVar[str] = "slim"
    summary: ClassVar[str] = "linear item-to-item model of few weights: served at the cost of neighbours"
    by_default: ClassVar[bool] = False

    l1: float = setting(
        2.0, "makes weights sparse: the greater, the fewer remain", low=0, high=1e9, search=(0.3, 30.0, "log")
    )
    l2: float = setting(
        200.0, "how strongly weights are drawn to zero", low=1e-3, high=1e9, search=(10.0, 2000.0, "log")
    )
    item_norm: float = setting(
        0.0, "how far popular items are damped: items are divided by n^item_norm", low=0, high=1, search=(0.0, 0.6)
    )
    user_norm: float = setting(
        0.0, "how far busy users are damped: users count n^-user_norm each", low=0, high=2, search=(0.0, 1.0)
    )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        X, scale = normalise(strongest(dataset.histories()), self.item_norm, self.user_norm)
        gram = sparse.csr_array(X.T @ X)
        n = dataset.n_items
        step = max(1, BLOCK_BYTES // (4 * n))
        parts = []
        with progress.task("slim", total=n) as advance:
            for first in range(0, n, step):
                last = min(first + step, n)
                parts.append(sparse.csr_array(elastic_net(gram, first, last, self.l1, self.l2)))
                advance(last - first)
        table = sparse.csr_array(sparse.vstack(parts).T.tocsr().multiply(scale[:, None]).tocsr())
        self._keep(table, popularity(dataset))

    def _voices(self, histories: Histories) -> sparse.csr_array:
        return strongest(histories)
