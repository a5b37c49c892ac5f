from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


@dataclass(frozen=True, slots=True)
class Truth:
    """What each user did after the moment of the request, as ragged arrays: row ``i`` owns ``indptr[i]:indptr[i+1]``.

    Attributes:
        indptr: (n + 1,) int64.
        items: (nnz,) int32 item indices, distinct and ascending within a row.
        weights: (nnz,) float32, the sum of what the events on that item are worth (``Kinds``).

    >>> truth = Truth.of(rows=[0, 1, 1, 1], items=[2, 0, 1, 1], weights=[1, 1, 1, 2], n_rows=2, n_items=3)
    >>> truth.indptr.tolist(), truth.items.tolist(), truth.weights.tolist()
    ([0, 1, 3], [2, 0, 1], [1.0, 1.0, 3.0])
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, rows: object, items: object, weights: object, n_rows: int, n_items: int) -> "Truth":
        """Truth from one (row, item, weight) per event; events on the same item of the same row are summed.

        Args:
            rows: (m,) int in 0 … n_rows - 1.
            items: (m,) int in 0 … n_items - 1.
            weights: (m,) float.
            n_rows: rows, with or without truth.
            n_items: size of the catalogue.
        """
        codes = np.asarray(rows, dtype=np.int64) * n_items + np.asarray(items, dtype=np.int64)
        distinct, place = np.unique(codes, return_inverse=True)
        sums = np.bincount(place, weights=np.asarray(weights, dtype=np.float64), minlength=len(distinct))
        counts = np.bincount(distinct // max(1, n_items), minlength=n_rows)
        return cls(
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=(distinct % max(1, n_items)).astype(np.int32),
            weights=sums.astype(np.float32),
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) number of items of each row."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(nnz,) the row that each item belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def take(self, rows: NDArray[np.integer]) -> "Truth":
        """The given rows, in the given order.

        >>> Truth.of([0, 1, 1], [2, 0, 1], [1, 1, 1], n_rows=2, n_items=3).take(np.array([1, 0])).items.tolist()
        [0, 1, 2]
        """
        rows = np.asarray(rows, dtype=np.int64)
        lengths = self.lengths[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(self.indptr[rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Truth(indptr=indptr, items=self.items[source], weights=self.weights[source])

    def matrix(self, n_items: int) -> sparse.csr_array:
        """(n, n_items) float32 sparse weights."""
        return sparse.csr_array((self.weights, self.items, self.indptr), shape=(len(self), n_items))
