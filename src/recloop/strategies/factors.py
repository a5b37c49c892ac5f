"""Least squares for one side of a factorisation: many small systems that share one Gram matrix."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.strategies.neighbours import KERNELS, plain

GATHER = 2**21  # floats gathered at once by the NumPy version: rows x longest row x factors
CONVERGED = 1e-10  # squared residual over squared right-hand side, both in the norm of the preconditioner
MOST_STEPS = 100


def to_eigenbasis(
    vectors: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Vectors turned so that their Gram matrix is diagonal; dot products stay what they were.

    The dense part of every system below is then a diagonal: a product with it costs d instead of d^2, and it is most
    of a good preconditioner.

    Returns:
        (n, d) turned vectors, (d,) the diagonal of their Gram matrix, (d, d) the basis.
    """
    gram = vectors.T.astype(np.float64) @ vectors
    spectrum, basis = np.linalg.eigh(gram)
    turned = np.ascontiguousarray(vectors @ basis.astype(np.float32))
    return turned, np.maximum(spectrum, 0).astype(np.float32), basis.astype(np.float32)


def descend(
    rows: sparse.csr_array,
    vectors: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    ridges: NDArray[np.float32],
    *,
    start: NDArray[np.float32] | None = None,
    steps: int = MOST_STEPS,
) -> NDArray[np.float32]:
    """For each row with entries w_i, the x that minimises sum_i w_i (1 - x.y_i)^2 + x.(spectrum * x) + ridge |x|^2.

    Conjugate gradients with the diagonal of the system as preconditioner, until ``CONVERGED`` or for ``steps`` steps.
    Rows do not touch each other. By a numba kernel where that pays, else by NumPy in blocks of rows of like length;
    both follow the same path, so that they differ by rounding only. Weights below 0 count as 0.

    Args:
        rows: (n, m) float32.
        vectors: (m, d) float32, the y.
        spectrum: (d,) float32, at least 0.
        ridges: (n,) float32, above 0.
        start: (n, d) where to begin; zeros where None.
        steps: at most so many.

    Returns:
        (n, d) float32; zeros for rows without entries.
    """
    n, d = rows.shape[0], vectors.shape[1]
    solved = np.zeros((n, d), np.float32) if start is None else np.ascontiguousarray(start, np.float32)
    starts, indices, weights = plain(rows)
    weights = np.maximum(weights, 0)
    if kernels := compiled(KERNELS, work=rows.nnz * d):
        kernels.descend(starts, indices, weights, vectors, spectrum, ridges, steps, CONVERGED, solved)
        return solved
    lengths = np.diff(starts)
    solved[lengths == 0] = 0
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    first = 0
    while first < len(order):
        room = np.arange(1, len(order) - first + 1) * lengths[order[first:]] * d
        last = first + max(1, int(np.searchsorted(room, GATHER, side="right")))
        block = order[first:last]
        inside = np.arange(int(lengths[block[-1]])) < lengths[block, None]
        places = np.where(inside, starts[block, None] + np.arange(inside.shape[1]), 0)
        solved[block] = _descend_block(
            vectors[indices[places]],
            np.where(inside, weights[places], 0),
            spectrum + ridges[block, None],
            solved[block],
            steps,
        )
        first = last
    return solved


def _descend_block(
    Y: NDArray[np.float32],
    weights: NDArray[np.float32],
    diagonal: NDArray[np.float32],
    x: NDArray[np.float32],
    steps: int,
) -> NDArray[np.float32]:
    """The same for b rows padded to one length l: Y (b, l, d), weights (b, l), diagonal and x (b, d)."""
    turned = Y.transpose(0, 2, 1)

    def gather(per_entry: NDArray[np.float32]) -> NDArray[np.float32]:
        summed: NDArray[np.float32] = np.matmul(turned, per_entry[:, :, None])[:, :, 0]
        return summed

    def dots(vector: NDArray[np.float32]) -> NDArray[np.float32]:
        products: NDArray[np.float32] = np.matmul(Y, vector[:, :, None])[:, :, 0]
        return products

    scale = diagonal + np.matmul(weights[:, None, :], Y * Y)[:, 0]
    goal = gather(weights)
    residual = gather(weights * (1 - dots(x))) - diagonal * x
    direction = residual / scale
    rz = (residual * direction).sum(axis=1)
    enough = np.float32(CONVERGED) * (goal * goal / scale).sum(axis=1)
    for _ in range(steps):
        going = rz > enough
        if not going.any():
            break
        image = diagonal * direction + gather(weights * dots(direction))
        curve = (direction * image).sum(axis=1)
        length = np.divide(rz, curve, out=np.zeros_like(rz), where=going)[:, None]
        x = x + length * direction
        residual = residual - length * image
        before, rz = rz, np.where(going, (residual * residual / scale).sum(axis=1), 0)
        turn = np.divide(rz, before, out=np.zeros_like(rz), where=going)[:, None]
        direction = residual / scale + turn * direction
    return x
