"""Which items are alike: cosine of their columns in a users x items matrix."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.data.rankings import top_k
from recloop.strategies.base import BLOCK_BYTES
from recloop.strategies.neighbours import KERNELS, plain


def nearest_items(
    users: sparse.csr_array, neighbours: int, shrinkage: float, advance: Callable[[float], None] = lambda _: None
) -> sparse.csr_array:
    """The nearest items of each item: x_i . x_j / (|x_i| |x_j| + shrinkage), where x_i is a column.

    Args:
        users: (n_users, n_items) float32, of either sign.
        neighbours: how many each item keeps; only similarities above 0 are kept.
        shrinkage: added to the denominator.
        advance: told of the items that are done.

    Returns:
        (n_items, n_items) float32 sparse: row i holds the similarities of item i to its nearest.

    >>> users = sparse.csr_array(np.float32([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 0]]))
    >>> nearest_items(users, neighbours=1, shrinkage=0).toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]
    """
    n = users.shape[1]
    kept = min(neighbours, n)
    if kept == 0:
        return sparse.csr_array(([], [], np.zeros(n + 1)), shape=(n, n), dtype=np.float32)
    items = sparse.csr_array(users.T)
    norms = np.sqrt(np.asarray(items.multiply(items).sum(axis=1))).ravel().astype(np.float32)
    kernels = compiled(KERNELS, work=users.nnz**2 / max(1, users.shape[0]))
    if kernels is not None:
        near, score = np.empty((n, kept), np.int32), np.empty((n, kept), np.float32)
        kernels.nearest(*plain(items), *plain(users), norms, shrinkage, near, score)
        advance(n)
    else:
        near, score = _blocks(items, users, norms, shrinkage, kept, advance)
    there = near >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sparse.csr_array((score[there], near[there], indptr), shape=(n, n))


def _blocks(
    items: sparse.csr_array,
    users: sparse.csr_array,
    norms: NDArray[np.float32],
    shrinkage: float,
    kept: int,
    advance: Callable[[float], None],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(n_items, kept) the nearest items of each and their similarity, padded with -1: NumPy, in blocks of items."""
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
        parts.append(top_k(near, kept))
        advance(len(rows))
    return np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts])
