"""Each column from the others by a few weights above 0: the elastic net, by coordinate descent on the Gram matrix."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.strategies.neighbours import plain

KERNELS = "recloop.strategies.elastic_net_kernel"
MOST_SWEEPS = 200
TOLERANCE = 1e-4  # the greatest change of a weight in a sweep after which a column is done


def elastic_net(gram: sparse.csr_array, first: int, last: int, l1: float, l2: float) -> NDArray[np.float32]:
    """The weights w of columns ``first`` to ``last``, each the solution of

        min |x_j - X w|^2 / 2 + l2 |w|^2 / 2 + l1 |w|_1    with w >= 0, w_j = 0.

    Coordinate descent with covariance updates (Friedman, Hastie & Tibshirani 2010, "Regularization paths for
    generalized linear models via coordinate descent", section 2.2). The data is at least 0, so that other columns only
    lower a gradient that starts at g_ij: an item with g_ij <= l1 never enters, and is never looked at.

    By a numba kernel with an active set for each column, else by NumPy for all columns at once; both stop within
    ``TOLERANCE`` of the one optimum.

    Args:
        gram: (n, n) float32, X'X of an X of at least 0.
        first: column.
        last: the column after the last.
        l1: above 0 makes weights sparse.
        l2: draws weights to zero.

    Returns:
        (last - first, n) float32: a row holds the weights of a column.

    >>> X = sparse.csr_array(np.float32([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]]))
    >>> elastic_net(sparse.csr_array(X.T @ X), 0, 1, l1=0.5, l2=1.0).round(3).tolist()
    [[0.0, 0.5, 0.0]]
    """
    n = gram.shape[0]
    diagonal = gram.diagonal().astype(np.float32)
    if kernels := compiled(KERNELS, work=10 * gram.nnz):
        weights = np.zeros((last - first, n), np.float32)
        kernels.elastic_net(*plain(gram), diagonal, first, l1, l2, MOST_SWEEPS, TOLERANCE, weights)
        return weights
    return _elastic_net(gram, diagonal, first, last, l1, l2)


def _elastic_net(
    gram: sparse.csr_array, diagonal: NDArray[np.float32], first: int, last: int, l1: float, l2: float
) -> NDArray[np.float32]:
    """All columns of the block at once, one item after another."""
    starts, items, products = plain(gram)
    columns = np.arange(last - first)
    residual = np.ascontiguousarray(gram[first:last].toarray().T)  # (n, columns): g_ij - sum_k g_ik w_k
    weights = np.zeros_like(residual)
    able = residual > l1
    able[first + columns, columns] = False
    for _ in range(MOST_SWEEPS):
        greatest = np.zeros(len(columns), np.float32)
        for i in np.flatnonzero(able.any(axis=1)):
            wanted = (residual[i] + diagonal[i] * weights[i] - np.float32(l1)) / (diagonal[i] + np.float32(l2))
            change = np.where(able[i], np.maximum(wanted, 0) - weights[i], 0)
            near = slice(starts[i], starts[i + 1])
            residual[items[near]] -= products[near, None] * change
            weights[i] += change
            np.maximum(greatest, np.abs(change), out=greatest)
        able &= greatest > TOLERANCE  # a column that is done stays as it is
        if not able.any():
            break
    return np.ascontiguousarray(weights.T)
