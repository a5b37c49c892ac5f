"""The best items by dot product, from the cells near a query and from vectors of one byte per number."""

import numpy as np
from numpy.typing import NDArray

from recloop.data.compiled import compiled
from recloop.data.rankings import Rankings, along
from recloop.strategies.exact import Exact
from recloop.strategies.kmeans import moved, nearest

KERNELS = "recloop.strategies.cells_kernel"
RECALL = 0.9925  # of the best DEPTH items that the trial must find, so that others than those of it find 99%
STAND_IN = 0.995  # likewise for items that stand in for queries: those of users are a little harder
DEPTH = 200
QUERIES = 128  # by which the recall is measured
ROUNDS = 10  # of k-means
PER_CELL = 64  # items that k-means looks at, per cell
LANES = 32  # items that the kernel scores at once
PEAK = 127  # of a code
SUM = 2**15 - 1  # the greatest sum of products of codes and levels
ROWS = 65_536  # items rounded at a time

Floats = NDArray[np.float32]


class Cells:
    """An inverted file: scores the items of the cells that lie nearest to the query, in one byte per number.

    Cells are those of k-means (Jegou et al. 2011, "Product quantization for nearest neighbor search", section 4). They
    are searched in the order of the greatest score that a typical item of them may have: that of their mean, and once
    the spread of their items in the directions of the queries. How many are searched is found by trial when the index
    is made: few enough that the best DEPTH items of some queries are just found with RECALL.

    A vector is kept as a scale and whole numbers of one byte, and a query is rounded likewise, both so short that a
    sum of their products fits in two bytes, with which a processor does twice as much as with four. By these scores an
    eighth more items are kept than are wanted, and put in order by their exact scores. Items of a cell
    are looked at in the order of their scales, and no longer once these say that the best are out of reach. Items that
    are added later are all scored, so that they are found at once.

    The index is made from the vectors in seconds, and is never stored: what is loaded is the vectors.

    Args:
        vectors: (n_items, d) float32, finite.
        queries: (m, d) by which a search is tried; QUERIES of the items where None.

    Attributes:
        cells: how many there are.
        probes: how many are searched.
        recall: of the trial.
        wanted: what it had to reach.
    """

    def __init__(self, vectors: Floats, queries: Floats | None = None) -> None:
        self._vectors = np.ascontiguousarray(vectors, np.float32)
        self._later = Exact(self._vectors[:0])
        self.wanted = STAND_IN if queries is None else RECALL
        queries = self._items() if queries is None else np.ascontiguousarray(queries, np.float32)
        self._fill(queries)
        self.cells = self.probes = len(self._spread)
        self.probes, self.recall = self._tried(queries)

    def _fill(self, queries: Floats) -> None:
        vectors = self._vectors
        n, rng = len(vectors), np.random.default_rng(1)
        wanted = min(n, int(2 * np.sqrt(n)))
        some = vectors[np.sort(rng.choice(n, min(n, wanted * PER_CELL), replace=False))]
        start = some[np.sort(rng.choice(len(some), wanted, replace=False))]
        _, cell, members = np.unique(
            nearest(vectors, moved(some, start, ROUNDS)), return_inverse=True, return_counts=True
        )
        self._reach = max(1.0, np.sqrt(SUM) - np.sqrt(vectors.shape[1]) / 2)  # and rounding adds no more than the rest
        scales = self._scales(vectors)
        order = np.lexsort((np.arange(n), -scales, cell))
        blocks = -(-members // LANES)
        self._starts = np.concatenate([[0], np.cumsum(blocks)]).astype(np.int32)
        first = np.cumsum(members) - members
        places = np.repeat(self._starts[:-1] * LANES - first, members) + np.arange(n)
        self._numbers = np.full(self._starts[-1] * LANES, -1, np.int32)
        self._numbers[places] = order
        means = np.asarray(np.add.reduceat(vectors[order], first, axis=0) / members[:, None], np.float32)
        self._codes, self._item_scales = self._coded(vectors, order, scales, places)
        every = np.arange(len(means))
        self._means, self._mean_scales = self._coded(means, every, self._scales(means), every)
        # the mean square of the parts of q.v that the mean of a cell does not tell, queries being of length 1
        length = np.linalg.norm(queries, axis=1, keepdims=True)
        asked = queries / np.where(length > 0, length, 1)
        values, axes = np.linalg.eigh(asked.T @ asked / max(1, len(asked)))
        axes = axes * np.sqrt(np.maximum(values, 0))
        square = np.empty(n, np.float32)
        for at in range(0, n, ROWS):
            rest = (vectors[at : at + ROWS] - means[cell[at : at + ROWS]]) @ axes
            square[at : at + ROWS] = np.einsum("ij,ij->i", rest, rest)
        self._spread = (self._reach * np.sqrt(np.bincount(cell, weights=square) / members)).astype(np.float32)

    def _scales(self, vectors: Floats) -> Floats:
        """(n,) by which codes are multiplied: none is above PEAK, and together they are no longer than the reach."""
        length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        highest = np.maximum(vectors.max(axis=1, initial=0), -vectors.min(axis=1, initial=0))
        scales: Floats = np.maximum(length / self._reach, highest / PEAK).astype(np.float32)
        return scales

    def _coded(
        self, vectors: Floats, order: NDArray[np.integer], scales: Floats, places: NDArray[np.integer]
    ) -> tuple[NDArray[np.int8], Floats]:
        """(blocks, d, LANES) codes and (blocks, LANES) scales, NaN where no item is."""
        d = vectors.shape[1]
        blocks = int(places[-1]) // LANES + 1
        codes, kept = np.zeros((blocks * LANES, d), np.int8), np.full(blocks * LANES, np.nan, np.float32)
        for at in range(0, len(order), ROWS):
            rows = order[at : at + ROWS]
            scale = scales[rows]
            codes[places[at : at + ROWS]] = np.rint(vectors[rows] / np.where(scale > 0, scale, 1)[:, None])
            kept[places[at : at + ROWS]] = scale
        turned = np.ascontiguousarray(codes.reshape(blocks, LANES, d).transpose(0, 2, 1))
        return turned, kept.reshape(blocks, LANES)

    def __len__(self) -> int:
        return len(self._vectors) + len(self._later)

    def search(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Rankings:
        """See ``Index.search``."""
        n, own = len(queries), len(self._vectors)
        ranked = Rankings(np.empty((n, k), np.int32), np.empty((n, k), np.float32))
        compiled(KERNELS, work=float("inf")).search(
            self._means, self._mean_scales, self._spread, self._codes, self._item_scales, self._starts, self._numbers,
            self._vectors, np.ascontiguousarray(queries, np.float32), self._reach, self.probes,
            np.empty(0, bool) if allowed is None else allowed[:own], ranked.items, ranked.scores,
        )  # fmt: skip
        if not len(self._later):
            return ranked
        more = self._later.search(queries, k, None if allowed is None else allowed[own:])
        items = np.concatenate([ranked.items, np.where(more.items >= 0, more.items + np.int32(own), -1)], axis=1)
        scores = np.concatenate([ranked.scores, more.scores], axis=1)
        order = np.lexsort((items, -scores), axis=1)[:, :k]
        return Rankings(along(items, order), along(scores, order))

    def scores(self, query: Floats, items: NDArray[np.integer]) -> Floats:
        """See ``Index.scores``."""
        own = items < len(self._vectors)
        found = np.empty(len(items), np.float32)
        found[own] = self._vectors[items[own]] @ query
        found[~own] = self._later.scores(query, items[~own] - len(self._vectors))
        return found

    def add(self, vectors: Floats) -> None:
        """See ``Index.add``."""
        self._later.add(vectors)

    def _items(self) -> Floats:
        """Some items, as queries."""
        known = np.flatnonzero(self._vectors.any(axis=1))  # an item that nobody took is like nothing
        some = np.random.default_rng(1).choice(known, size=min(QUERIES, len(known)), replace=False)
        return np.asarray(self._vectors[some])

    def _tried(self, queries: Floats) -> tuple[int, float]:
        """How many cells to search, and the recall with so many."""
        wanted = Exact(self._vectors).search(queries, DEPTH).items
        rows = np.arange(len(queries))[:, None] * len(self._vectors)

        def recall(probes: int) -> float:
            self.probes = probes
            found = self.search(queries, wanted.shape[1]).items
            return float(np.isin(rows + wanted, np.where(found >= 0, rows + found, -1)).mean())

        low, probes = 0, self.cells
        reached = recall(probes)
        while reached >= self.wanted and probes - low > 1:  # between too few and enough
            middle = (low + probes) // 2
            if (found := recall(middle)) >= self.wanted:
                probes, reached = middle, found
            else:
                low = middle
        return probes, reached
