from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.histories import Histories


@dataclass(frozen=True)
class Follow:
    """How much likelier an item comes right after another than by its popularity.

    Attributes:
        table: (n_items, n_items) sparse float32 of log(1 + C_li / (1 + e_li)), C the times that i came right after l
            and e what chance would give. The 1 keeps pairs small that occurred once.

    >>> follow = Follow.fit(Histories.of([[0, 1], [0, 1], [2, 0]], n_items=3))
    >>> follow.of(np.array([0, -1]), np.array([[1, 2], [1, 2]])).tolist()
    [[0.619..., 0.0], [0.0, 0.0]]
    """

    table: "sparse.csr_array[Any, Any]"

    def __len__(self) -> int:
        return int(self.table.nnz)

    @classmethod
    def fit(cls, histories: Histories) -> "Follow":
        """From the neighbours in histories."""
        n = histories.n_items
        inside = np.ones(len(histories.items), bool)
        inside[histories.indptr[:-1][histories.lengths > 0]] = False
        here = np.flatnonzero(inside)
        ends = histories.items[here - 1], histories.items[here]
        pairs: sparse.csr_array[Any, Any] = sparse.csr_array(
            sparse.coo_array((np.ones(len(here), np.float32), ends), shape=(n, n))
        )
        pairs.sum_duplicates()
        total = max(1.0, float(pairs.sum()))
        out: NDArray[np.float64] = np.asarray(pairs.sum(axis=1), np.float64).ravel()
        into: NDArray[np.float64] = np.asarray(pairs.sum(axis=0), np.float64).ravel()
        chance = out[np.repeat(np.arange(n), np.diff(pairs.indptr))] * into[pairs.indices] / total
        pairs.data = np.log1p(pairs.data / (1.0 + chance)).astype(np.float32)
        return cls(pairs)

    @classmethod
    def none(cls, n_items: int) -> "Follow":
        """Nothing follows anything."""
        return cls(sparse.csr_array((n_items, n_items), dtype=np.float32))

    def entries(self, last: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Place in ``last`` (n,), item and lift of all that follows; after -1 comes nothing."""
        known = np.flatnonzero(last >= 0)
        starts = self.table.indptr[last[known]].astype(np.int64)
        lengths = self.table.indptr[last[known] + 1] - starts
        ends = np.cumsum(lengths)
        at = np.repeat(starts - ends + lengths, lengths) + np.arange(int(ends[-1]) if len(ends) else 0)
        return np.repeat(known, lengths), self.table.indices[at], self.table.data[at]

    def of(self, last: NDArray[np.integer], slates: NDArray[np.integer]) -> NDArray[np.float32]:
        """(n, k) the lift of each item of a slate after the last item; 0 at empty places and after -1."""
        if not len(self):
            return np.zeros(slates.shape, np.float32)
        wanted = np.maximum(last, 0)[:, None].astype(np.int64) * self.table.shape[0] + np.maximum(slates, 0)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self) - 1)
        hit = (self._keys[at] == wanted) & (last >= 0)[:, None] & (slates >= 0)
        return np.where(hit, self.table.data[at], np.float32(0))

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """Row times columns plus column of each entry, in order."""
        rows = np.repeat(np.arange(self.table.shape[0], dtype=np.int64), np.diff(self.table.indptr))
        return np.asarray(rows * self.table.shape[1] + self.table.indices, np.int64)


def last_items(histories: Histories) -> NDArray[np.int64]:
    """(n,) the last item of each row, -1 where it is empty.

    >>> last_items(Histories.of([[0, 2], []], n_items=3)).tolist()
    [2, -1]
    """
    ends = np.maximum(histories.indptr[1:] - 1, 0)
    found = histories.items[ends] if len(histories.items) else np.zeros(len(histories), np.int32)
    return np.where(histories.lengths > 0, found, -1).astype(np.int64)
