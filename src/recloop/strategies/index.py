"""Items by the dot product of their vectors with a query: all of them scored, or only those that may be the best."""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recloop.data.compiled import compiled
from recloop.data.rankings import Rankings, along, top_k
from recloop.strategies.rounded import Rounded

KERNELS = "recloop.strategies.cells_kernel"
EXACT = 50_000  # items up to which all of them are scored: that costs about a millisecond
RECALL = 0.99  # of the best DEPTH items that a search must find for those who ask
STAND_IN = 0.994  # likewise for items that stand in for queries: those of users are a little harder
DEPTH = 200
QUERIES = 128  # by which the recall is measured
ROUNDS = 10  # of k-means
PER_CELL = 64  # items that k-means looks at, per cell
BLOCK = 2**24  # scores made at a time

Floats = NDArray[np.float32]


class Index(Protocol):
    """The items whose vectors have the greatest dot products with a query."""

    def __len__(self) -> int:
        """Items in it."""
        ...

    def search(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Rankings:
        """The k best items of each query, padded where fewer are found.

        Args:
            queries: (n, d).
            k: places.
            allowed: (n_items,) bool, the items that may be found.
        """
        ...

    def scores(self, query: Floats, items: NDArray[np.integer]) -> Floats:
        """(m,) the dot products of a query (d,) with some items."""
        ...

    def add(self, vectors: Floats) -> None:
        """More items, found from now on; they get the next numbers."""
        ...


def index_of(vectors: Floats, queries: Floats | None = None, *, exact: int = EXACT) -> Index:
    """The index that suits a catalogue: ``Exact`` for up to ``exact`` items, else ``Cells``, else ``Rounded``.

    ``Cells`` needs the extra ``ann``. Where it is not installed, or the vectors form no cells (so that the recall would
    cost as much as scoring every item), ``Rounded`` finds the same items as ``Exact``; it needs the extra ``fast``.

    Args:
        vectors: (n_items, d) float32.
        queries: (m, d) what is asked, so that a search is tried by it; items stand in for it where None.
        exact: items up to which all are scored.

    >>> index_of(np.eye(3, dtype=np.float32)).search(np.array([[0, 2, 1]], np.float32), 2).items.tolist()
    [[1, 2]]
    """
    if len(vectors) > exact and np.isfinite(vectors).all() and vectors.any():
        if find_spec("faiss"):
            cells = Cells(vectors, queries)
            if cells.recall >= cells.wanted:
                return cells
        if find_spec("numba"):
            return Rounded(vectors)
    return Exact(vectors)


def shorter(vectors: Floats, *, exact: int = EXACT) -> Index | None:
    """The index that suits a catalogue; None where that scores every item."""
    found = index_of(vectors, exact=exact)
    return None if isinstance(found, Exact) else found


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


class Cells:
    """Scores the items of the cells that lie nearest to the query: an inverted file (faiss), in two bytes per number.

    The greatest dot product becomes the least distance by one more coordinate, sqrt(M - |v|^2) with M the greatest
    |v|^2, which is 0 in a query (Bachrach et al. 2014, "Speeding up the Xbox recommender system using a Euclidean
    transformation for inner-product spaces", section 3). How many cells are searched is found by trial when the index
    is made: few enough that the best DEPTH items of some queries are just found with RECALL. A search takes as long as
    reading the cells does, so these hold 16 bits of each number; what is found bears its exact score. Items that are
    added later are all scored, so that they are found at once.

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
        faiss = _faiss()
        n = len(vectors)
        self._vectors = np.ascontiguousarray(vectors)
        self._later = Exact(vectors[:0])
        self.cells = max(1, int(2 * np.sqrt(n)))
        square = np.einsum("ij,ij->i", vectors, vectors)
        longest = np.float32(np.sqrt(square.max())) or np.float32(1)
        points = self._points(vectors / longest)
        points[:, vectors.shape[1]] = np.sqrt(np.maximum(square.max() - square, 0)) / longest
        width = points.shape[1]
        self._quantiser = faiss.IndexFlatL2(width)
        self._file = faiss.IndexIVFScalarQuantizer(
            self._quantiser, width, self.cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2, False
        )
        self._file.cp.niter, self._file.cp.seed = ROUNDS, 1
        self._file.cp.min_points_per_centroid, self._file.cp.max_points_per_centroid = 1, PER_CELL
        self._file.train(points)
        self._file.add(points)
        self.wanted = STAND_IN if queries is None else RECALL
        self.probes, self.recall = self._tried(self._items() if queries is None else queries)
        self._file.nprobe = self.probes

    def __len__(self) -> int:
        return len(self._vectors) + len(self._later)

    def search(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Rankings:
        """See ``Index.search``."""
        n, own = len(queries), len(self._vectors)
        items = self._found(queries, min(k, own), None if allowed is None else allowed[:own])
        if not len(self._later) and (kernels := compiled(KERNELS, work=float("inf"))):
            best = Rankings(np.empty((n, k), np.int32), np.empty((n, k), np.float32))
            kernels.best(items, self._vectors, np.ascontiguousarray(queries), best.items, best.scores)
            return best
        held = items >= 0
        scores = np.matmul(self._vectors[np.where(held, items, 0)], queries[:, :, None])[:, :, 0]
        scores[~held] = -np.inf
        if len(self._later):
            more = self._later.search(queries, k, None if allowed is None else allowed[own:])
            items = np.concatenate([items, np.where(more.items >= 0, more.items + own, -1)], axis=1)
            scores = np.concatenate([scores, more.scores], axis=1)
        order = np.lexsort((items, -scores), axis=1)[:, :k]
        ranked = Rankings(np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32))
        ranked.items[:, : order.shape[1]] = along(items, order)
        ranked.scores[:, : order.shape[1]] = along(scores, order)
        return ranked

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

    def _found(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        length: Floats = np.sqrt(np.einsum("ij,ij->i", queries, queries))[:, None]
        length[length == 0] = 1
        points = self._points(queries / length)  # how long a query is changes no order
        found: NDArray[np.int64]
        if allowed is None:
            found = self._file.search(points, k)[1]
            return found
        faiss, bits = _faiss(), np.packbits(allowed, bitorder="little")
        only = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
        found = self._file.search(points, k, params=faiss.SearchParametersIVF(nprobe=self.probes, sel=only))[1]
        return found

    @staticmethod
    def _points(vectors: Floats) -> Floats:
        """Room for one more coordinate, and for zeros up to a multiple of 8, which the processor takes at once."""
        points = np.zeros((len(vectors), (vectors.shape[1] + 8) // 8 * 8), np.float32)
        points[:, : vectors.shape[1]] = vectors
        return points

    def _items(self) -> Floats:
        """Some items, as queries."""
        known = np.flatnonzero(self._vectors.any(axis=1))  # an item that nobody took is like nothing
        some = np.random.default_rng(1).choice(known, size=min(QUERIES, len(known)), replace=False)
        return np.asarray(self._vectors[some])

    def _tried(self, queries: Floats) -> tuple[int, float]:
        """How many cells to search, and the recall with so many; at most half of them."""
        wanted = Exact(self._vectors).search(queries, DEPTH).items
        rows = np.arange(len(queries))[:, None] * len(self._vectors)

        def recall(probes: int) -> float:
            self._file.nprobe = probes
            found = self._found(queries, wanted.shape[1], None)
            return float(np.isin(rows + wanted, np.where(found >= 0, rows + found, -1)).mean())

        most = max(4, self.cells // 2)
        low, probes = 0, 4
        while (reached := recall(probes)) < self.wanted and probes < most:
            low, probes = probes, min(3 * probes // 2, most)
        while reached >= self.wanted and probes - low > 1 + probes // 20:  # between too few and enough
            middle = (low + probes) // 2
            if (found := recall(middle)) >= self.wanted:
                probes, reached = middle, found
            else:
                low = middle
        return probes, reached


def _blocks(n: int, n_items: int) -> Iterator[slice]:
    step = max(1, BLOCK // max(1, n_items))
    return (slice(at, at + step) for at in range(0, n, step))


@cache
def _faiss() -> Any:
    import faiss

    faiss.omp_set_num_threads(1)  # a request's search is too small for threads that wait for each other
    return faiss
