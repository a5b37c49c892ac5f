"""Symmetric matrices as their upper triangles: half the memory, and sums over many of them are sparse products."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def pack(matrices: Floats) -> NDArray[np.float64]:
    """(n, k, k) symmetric → (n, k (k + 1) / 2).

    >>> pack(np.array([[[1.0, 2.0], [2.0, 3.0]]])).tolist()
    [[1.0, 2.0, 3.0]]
    """
    rows, columns = triangle(matrices.shape[1])
    return np.asarray(matrices[:, rows, columns], dtype=np.float64)


def unpack(packed: Floats, k: int) -> NDArray[np.float64]:
    """The inverse of ``pack``.

    >>> unpack(np.array([[1.0, 2.0, 3.0]]), 2).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    rows, columns = triangle(k)
    whole = np.empty((len(packed), k, k))
    whole[:, rows, columns] = packed
    whole[:, columns, rows] = packed
    return whole


def twice(k: int) -> NDArray[np.float64]:
    """(k (k + 1) / 2,) how often a packed entry stands in the matrix: tr(A B) = pack(A) @ (twice * pack(B)).

    >>> twice(2).tolist()
    [1.0, 2.0, 1.0]
    """
    rows, columns = triangle(k)
    return np.where(rows == columns, 1.0, 2.0)


@cache
def triangle(k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the upper triangle, row by row."""
    rows, columns = np.triu_indices(k)
    return rows, columns


def inverse(matrices: Floats) -> NDArray[np.float64]:
    """The inverses of (…, k, k) symmetric positive definite matrices, symmetric to the last bit."""
    found = np.linalg.inv(matrices)
    return np.asarray((found + np.swapaxes(found, -1, -2)) / 2, dtype=np.float64)
