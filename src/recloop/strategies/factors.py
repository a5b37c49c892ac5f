"""Least squares for one side of a factorisation: many small systems that share one Gram matrix.

The system of a row with entries w_i at vectors y_i: the x that minimises

    sum_i w_i (1 - x.y_i)^2 + x.(spectrum * x) + ridge |x|^2

Weights below 0 count as 0; a row without entries gets zeros; rows do not touch each other.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.data.histories import Rows
from recloop.strategies.neighbours import KERNELS, plain

GATHER = 2**21  # floats gathered at once by the NumPy versions: rows x longest row x factors
CONVERGED = 1e-10  # squared residual over squared right-hand side, both in the norm of the preconditioner
MOST_STEPS = 200


def to_eigenbasis(
    vectors: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Vectors turned so that their Gram matrix is diagonal; dot products stay what they were.

    The dense part of every system below is then a diagonal: a product with it costs d instead of d^2, and it is most
    of a good preconditioner.

    Returns:
        (n, d) turned vectors, (d,) the diagonal of their Gram matrix, (d, d) the basis.
    """
    spectrum, basis = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    turned = np.ascontiguousarray(vectors @ basis.astype(np.float32))
    return turned, np.maximum(spectrum, 0).astype(np.float32), basis.astype(np.float32)


def descend(
    rows: sparse.csr_array,
    vectors: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    ridges: NDArray[np.float32],
    start: NDArray[np.float32],
    steps: int,
) -> NDArray[np.float32]:
    """Each row's x, a few steps nearer: conjugate gradients with the diagonal of the system as preconditioner.

    By a numba kernel where that pays, else by NumPy in blocks of rows of like length; both take the same steps, so that
    they differ by rounding only.

    Args:
        rows: (n, m) float32.
        vectors: (m, d) float32, the y, in the eigenbasis of their Gram matrix.
        spectrum: (d,) float32, at least 0.
        ridges: (n,) float32, above 0.
        start: (n, d) where to begin.
        steps: how many.

    Returns:
        (n, d) float32.
    """
    solved = np.array(start, np.float32, order="C")
    if kernels := compiled(KERNELS, work=rows.nnz * vectors.shape[1]):
        kernels.descend(*_positive(rows), vectors, spectrum, ridges, steps, CONVERGED, solved)
        return solved
    solved[np.diff(rows.indptr) == 0] = 0
    for block, Y, weights in _blocks(rows, vectors):
        solved[block] = _descend(Y, weights, spectrum + ridges[block, None], solved[block], steps)
    return solved


def solve(
    rows: sparse.csr_array | Rows,
    vectors: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    ridges: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Each row's x, to the end: the same arguments and answer as ``descend``, from no start.

    The numba kernel descends until ``CONVERGED``; NumPy solves the systems directly: of d equations, or where a row has
    fewer entries, of one for each (Woodbury's identity; x = D^-1 Z' (1 + Z D^-1 Z')^-1 s with D the diagonal, s the
    roots of the weights and Z = s * Y).
    """
    n, d = len(rows.indptr) - 1, vectors.shape[1]
    solved = np.zeros((n, d), np.float32)
    if kernels := compiled(KERNELS, work=len(rows.indices) * d):
        kernels.descend(*_positive(rows), vectors, spectrum, ridges, MOST_STEPS, CONVERGED, solved)
        return solved
    for block, Y, weights in _blocks(rows, vectors):
        diagonal, length = spectrum + ridges[block, None], Y.shape[1]
        if length < d:
            roots = np.sqrt(weights)[:, :, None]
            scaled = roots * Y
            divided = scaled / diagonal[:, None, :]
            inner = np.matmul(divided, scaled.transpose(0, 2, 1))
            inner.reshape(-1, length * length)[:, :: length + 1] += 1
            solved[block] = np.matmul(np.linalg.solve(inner, roots).transpose(0, 2, 1), divided)[:, 0]
            continue
        weighted = Y * weights[:, :, None]
        A = np.matmul(weighted.transpose(0, 2, 1), Y)
        A.reshape(-1, d * d)[:, :: d + 1] += diagonal
        solved[block] = np.linalg.solve(A, weighted.sum(axis=1)[:, :, None])[:, :, 0]
    return solved


def _positive(rows: sparse.csr_array | Rows) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    starts, indices, weights = plain(rows)
    return starts, indices, np.maximum(weights, 0)


def _blocks(
    rows: sparse.csr_array | Rows, vectors: NDArray[np.float32]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]]:
    """Rows of like length, padded to the longest: their numbers (b,), vectors (b, l, d) and weights (b, l)."""
    starts, indices, weights = _positive(rows)
    if len(starts) == 2 and len(indices):  # one history, as a service asks: nothing to sort or pad
        yield np.zeros(1, np.intp), vectors[indices][None], weights[None]
        return
    lengths = np.diff(starts)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    first = 0
    while first < len(order):
        room = np.arange(1, len(order) - first + 1) * lengths[order[first:]] * vectors.shape[1]
        last = first + max(1, int(np.searchsorted(room, GATHER, side="right")))
        block = order[first:last]
        inside = np.arange(int(lengths[block[-1]])) < lengths[block, None]
        places = np.where(inside, starts[block, None] + np.arange(inside.shape[1]), 0)
        yield block, vectors[indices[places]], np.where(inside, weights[places], np.float32(0))
        first = last


def _descend(
    Y: NDArray[np.float32],
    weights: NDArray[np.float32],
    diagonal: NDArray[np.float32],
    x: NDArray[np.float32],
    steps: int,
) -> NDArray[np.float32]:
    """A block of rows: Y (b, l, d), weights (b, l), diagonal and x (b, d)."""

    def gather(per_entry: NDArray[np.float32]) -> NDArray[np.float32]:
        summed: NDArray[np.float32] = np.matmul(per_entry[:, None, :], Y)[:, 0]
        return summed

    def dots(vector: NDArray[np.float32]) -> NDArray[np.float32]:
        products: NDArray[np.float32] = np.matmul(Y, vector[:, :, None])[:, :, 0]
        return products

    scale = diagonal + np.matmul(weights[:, None, :], Y * Y)[:, 0]
    residual = gather(weights * (1 - dots(x))) - diagonal * x
    direction = residual / scale
    rz = (residual * direction).sum(axis=1)
    for _ in range(steps):
        image = diagonal * direction + gather(weights * dots(direction))
        curve = (direction * image).sum(axis=1)
        length = np.divide(rz, curve, out=np.zeros_like(rz), where=curve > 0)[:, None]
        x = x + length * direction
        residual = residual - length * image
        before, rz = rz, (residual * residual / scale).sum(axis=1)
        turn = np.divide(rz, before, out=np.zeros_like(rz), where=before > 0)[:, None]
        direction = residual / scale + turn * direction
    return x
