from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.data.truth import Truth
from recloop.errors import DataError

BLOCK_BYTES = 4 * 2**20  # flags of a block of rows stay in cache; never users x items at once


@dataclass(frozen=True, eq=False)
class Ratings:
    """Predicted against given ratings, one entry per held-out rating.

    Attributes:
        rows: (m,) int64, the row (user) of each rating.
        actual: (m,) float64, what the user gave.
        predicted: (m,) float64, NaN where the strategy predicts none.
    """

    rows: NDArray[np.int64]
    actual: NDArray[np.float64]
    predicted: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hits:
    """The places where slates meet the truth: one entry per hit, by row, then by rank.

    Attributes:
        rows: (h,) int64, the slate.
        ranks: (h,) int64, the place in the slate; the first is 1.
        nth: (h,) int64, this is the slate's first, second … hit.
    """

    rows: NDArray[np.int64]
    ranks: NDArray[np.int64]
    nth: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Judged:
    """Slates next to what happened: all that metrics read, computed once and shared by them.

    Args:
        rankings: n slates of up to K places.
        truth: the n sets of relevant items. An item is relevant or not: the weights are not read.
        histories: the n histories that the slates were made from.
        popularity: (n_items,) distinct training users of each item (``item_users``), for novelty and popularity lift.
        n_users: training users behind ``popularity``.
        vectors: (n_items, d) item vectors of any length, for diversity.
        allowed: (n_items,) bool, items that could be shown; coverage and Gini count these. All where None.
        ratings: predicted ratings, for MAE and RMSE.

    Raises:
        DataError: the shapes do not fit each other, an item is outside the catalogue, or a slate repeats a hit.

    >>> from recloop.metrics import NDCG
    >>> truth = Truth(np.array([0, 2]), np.array([7, 3], dtype=np.int32), np.ones(2, dtype=np.float32))
    >>> slates = Rankings(np.array([[3, 1, 7]], dtype=np.int32), np.array([[.9, .5, .1]], dtype=np.float32))
    >>> judged = Judged(slates, truth, Histories.of([[0]], n_items=10))
    >>> judged.hits.ranks.tolist(), round(NDCG(3).value(judged), 4)
    ([1, 3], 0.9197)
    """

    rankings: Rankings
    truth: Truth
    histories: Histories
    popularity: NDArray[np.floating] | NDArray[np.integer] | None = None
    n_users: int = 0
    vectors: NDArray[np.floating] | None = None
    allowed: NDArray[np.bool_] | None = None
    ratings: Ratings | None = None

    def __post_init__(self) -> None:
        n, n_items = len(self.rankings), self.n_items
        rows = {"truth": len(self.truth), "histories": len(self.histories)}
        for what, count in rows.items():
            if count != n:
                raise DataError(f"there are {n} slates and {count} rows of {what}", allowed="one row of each per slate")
        tables = {"popularity": self.popularity, "vectors": self.vectors, "allowed": self.allowed}
        for what, table in tables.items():
            if table is not None and len(table) != n_items:
                raise DataError(f"{what} has {len(table)} rows", allowed=f"the catalogue has {n_items} items")
        for what, items in (("slate", self.rankings.items), ("truth", self.truth.items)):
            highest = int(items.max(initial=-1))
            if highest >= n_items:
                raise DataError(f"a {what} holds item {highest}", allowed=f"the catalogue has {n_items} items")

    @property
    def n(self) -> int:
        """Slates."""
        return len(self.rankings)

    @property
    def n_items(self) -> int:
        """Items in the catalogue."""
        return self.histories.n_items

    @cached_property
    def n_allowed(self) -> int:
        """Items that could be shown."""
        return self.n_items if self.allowed is None else int(self.allowed.sum())

    @cached_property
    def relevant(self) -> NDArray[np.int64]:
        """(n,) relevant items of each row."""
        return self.truth.lengths

    @cached_property
    def hits(self) -> Hits:
        """Every hit, found by marking a block of rows' truth in a bitmap and reading it at the slates' items."""
        items, width = self.rankings.items, self.n_items + 1  # the spare column answers the padding item -1
        found = np.zeros(items.shape, dtype=bool)
        step = max(1, BLOCK_BYTES // width)
        marks = np.zeros(min(step, self.n) * width, dtype=bool)
        lengths = self.relevant
        for start in range(0, self.n, step):
            stop = min(start + step, self.n)
            low, high = self.truth.indptr[start], self.truth.indptr[stop]
            offsets = np.arange(stop - start, dtype=np.int64) * width
            places = np.repeat(offsets, lengths[start:stop]) + self.truth.items[low:high]
            marks[places] = True
            np.take(marks, items[start:stop] + offsets[:, None], out=found[start:stop], mode="wrap")
            marks[places] = False
        rows, columns = np.nonzero(found)
        _refuse_repeats(rows, items[rows, columns])
        first = np.searchsorted(rows, np.arange(self.n))
        return Hits(rows=rows, ranks=columns + 1, nth=np.arange(1, len(rows) + 1) - first[rows])

    def hit_count(self, k: int) -> NDArray[np.float64]:
        """(n,) hits among the first k places."""
        return np.bincount(self.hits.rows[self.hits.ranks <= k], minlength=self.n).astype(np.float64)

    def hit_sum(self, k: int, worth: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) sum over the hits among the first k places of what each is worth; ``worth`` has one entry per hit."""
        inside = self.hits.ranks <= k
        return np.bincount(self.hits.rows[inside], weights=worth[inside], minlength=self.n).astype(np.float64)

    def length(self, k: int) -> NDArray[np.int64]:
        """(n,) filled places among the first k."""
        filled: NDArray[np.int64] = np.count_nonzero(self.rankings.items[:, :k] >= 0, axis=1)
        return filled

    def slate_sum(self, k: int, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) sum of ``table[item]`` over the first k places; padding counts 0."""
        padded = np.append(np.asarray(table, dtype=np.float64), 0.0)  # item -1 reads the last entry
        total: NDArray[np.float64] = padded[self.rankings.items[:, :k]].sum(axis=1)
        return total

    def exposure(self, k: int) -> NDArray[np.int64]:
        """(n_items,) how many slates show each item among the first k places."""
        items = self.rankings.items[:, :k]
        return np.bincount(items[items >= 0], minlength=self.n_items)

    def vector_sum(self, k: int) -> NDArray[np.float32]:
        """(n, d) sum of the unit vectors of the first k places."""
        items = self.rankings.items[:, :k]
        filled = items >= 0
        indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(filled, axis=1))])
        chosen = items[filled]
        slates = sparse.csr_array(
            (np.ones(len(chosen), dtype=np.float32), chosen, indptr), shape=(self.n, self.n_items)
        )
        return np.asarray(slates @ self.unit_vectors)

    @cached_property
    def unit_vectors(self) -> NDArray[np.float32]:
        """(n_items, d) the vectors at length 1; a zero vector stays zero and is orthogonal to everything."""
        if self.vectors is None:
            raise DataError("there are no item vectors", advice="give Judged vectors=(n_items, d)")
        length = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return np.ascontiguousarray(self.vectors / np.where(length > 0, length, 1), dtype=np.float32)

    @cached_property
    def item_popularity(self) -> NDArray[np.float64]:
        """(n_items,) ``popularity`` as float64."""
        if self.popularity is None:
            raise DataError("there is no item popularity", advice="give Judged popularity=item_users(train)")
        return np.asarray(self.popularity, dtype=np.float64)

    @cached_property
    def history_popularity(self) -> NDArray[np.float64]:
        """(n,) mean popularity of the distinct items of each history, NaN where it is empty."""
        seen = self.histories.matrix()
        seen.data[:] = 1
        count = np.diff(seen.indptr)
        total = np.asarray(seen @ self.item_popularity, dtype=np.float64)
        mean: NDArray[np.float64] = np.divide(total, count, out=np.full(self.n, np.nan), where=count > 0)
        return mean


def item_users(dataset: Dataset) -> NDArray[np.int64]:
    """(n_items,) distinct users of each item in the positive events.

    >>> import polars as pl
    >>> item_users(Dataset.of(pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "x", "x"]}))).tolist()
    [2]
    """
    return np.bincount(dataset.matrix().indices, minlength=dataset.n_items)


def _refuse_repeats(rows: NDArray[np.int64], items: NDArray[np.int32]) -> None:
    order = np.lexsort((items, rows))
    same = (np.diff(rows[order]) == 0) & (np.diff(items[order]) == 0)
    if same.any():
        place = order[np.flatnonzero(same)[0]]
        raise DataError(
            f"slate {rows[place]} shows item {items[place]} more than once",
            allowed="the items of a slate are distinct",
        )
