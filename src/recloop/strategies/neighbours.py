"""Strategies that keep a sparse item-to-item table: a history scores the sum of the rows of its items."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.data.histories import Histories, Rows
from recloop.data.rankings import Rankings
from recloop.strategies.base import Strategy
from recloop.strategies.prior import PRIOR_SCALE, fill_unreached

KERNELS = "recloop.strategies.kernels"


class NeighbourStrategy(Strategy):
    """Base of strategies whose scores are ``voices @ table``, with the prior where that is 0.

    ``_fit`` hands both to ``_keep``. Where numba is installed, ranking costs what the history touches of the table and
    not what the catalogue is wide.
    """

    def _keep(self, table: sparse.csr_array, prior: NDArray[np.float32]) -> None:
        """The (n_items, n_items) sparse float32 table and the (n_items,) float32 popularity."""
        self._table = table
        self._prior = prior

    @abstractmethod
    def _voices(self, histories: Histories) -> sparse.csr_array:
        """(n, n_items) sparse float32: how loud each item of each history speaks."""

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return fill_unreached((self._voices(histories) @ self._table).toarray(), self._prior)

    def _rank_block(
        self, histories: Histories, k: int, *, hide_seen: bool, allowed: NDArray[np.bool_] | None
    ) -> Rankings:
        if compiled(KERNELS, work=len(histories) * histories.n_items) is None:
            return super()._rank_block(histories, k, hide_seen=hide_seen, allowed=allowed)
        seen = histories if hide_seen else None
        return rank_sparse(self._voices(histories), self._table, self._prior * PRIOR_SCALE, k, seen, allowed)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        table = self._table
        return {"data": table.data, "indices": table.indices, "indptr": table.indptr, "prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        n = len(arrays["prior"])
        table = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))
        self._keep(table, arrays["prior"])


def rank_sparse(
    rows: sparse.csr_array,
    table: sparse.csr_array,
    fill: NDArray[np.float32],
    k: int,
    seen: Histories | None,
    allowed: NDArray[np.bool_] | None,
) -> Rankings:
    """The k best of each row of ``rows @ table`` without ever making it: needs numba.

    Args:
        rows: (n, n_items) float32.
        table: (n_items, n_items) float32.
        fill: (n_items,) the score of items at which the product is 0.
        k: places per slate.
        seen: items to leave out, per row.
        allowed: (n_items,) bool, items that may be shown.
    """
    from recloop.strategies import kernels

    n, width = rows.shape[0], len(fill)
    items, found = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    kernels.rank_sparse(
        *plain(rows),
        *plain(table),
        np.zeros(n + 1, np.int64) if seen is None else seen.indptr.astype(np.int64, copy=False),
        np.empty(0, np.int32) if seen is None else seen.items.astype(np.int32, copy=False),
        np.ones(width, bool) if allowed is None else allowed,
        fill,
        np.argsort(-fill, kind="stable").astype(np.int32),
        items,
        found,
    )
    return Rankings(items=items, scores=found)


def plain(matrix: sparse.csr_array | Rows) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Row starts, column indices and values, in the types that the kernels take."""
    return (
        matrix.indptr.astype(np.int64, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float32, copy=False),
    )
