"""The compiled loop of ``gibbs``. Imports numba: reach it through ``recloop.data.compiled`` only."""

import numpy as np
from numba import types
from numpy.typing import NDArray

from recloop.data.kernels import Floats, Integers, float32, given, int32, int64, jit, made

Doubles = NDArray[np.float64]
float64 = types.float64


@jit(
    types.void(
        *(given(int64), given(int32), given(float32), given(float32), given(float32, 2)),
        *(given(float32), given(float64, 2), given(float64), given(float32, 2), given(float32, 2)),
        *(made(float32, 2), made(float32, 2)),
    ),
    reorder=True,
)
def solve(
    starts: NDArray[np.int64],
    indices: Integers,
    departs: Floats,
    weights: Floats,
    design: Floats,
    precision: Floats,
    common: Doubles,
    zero: Doubles,
    pull: Floats,
    normal: Floats,
    vectors: Floats,
    variance: Floats,
) -> None:
    """Each row's vector, and the variance of its numbers; see ``gibbs.posterior``.

    ``common`` and ``zero`` are what unseen pairs add for a row with entries; ``normal`` has no row for the mean.
    """
    n, k = vectors.shape
    gram = np.empty((k, k), np.float32)
    right = np.empty(k, np.float32)
    A = np.empty((k, k))  # its lower triangle becomes the Cholesky factor, then that one's inverse
    z = np.empty(k)
    for row in range(n):
        gram[:] = 0
        right[:] = 0
        for place in range(starts[row], starts[row + 1]):
            x, weight, depart = design[indices[place]], weights[place], departs[place]
            for i in range(k):
                share = weight * x[i]
                right[i] += share * depart
                for j in range(k):
                    gram[i, j] += share * x[j]
        touched = starts[row + 1] > starts[row]
        for i in range(k):
            z[i] = right[i] + pull[row, i] + (zero[i] if touched else 0.0)
            for j in range(i + 1):
                A[i, j] = gram[i, j] + (common[i, j] if touched else 0.0)
            A[i, i] += precision[i]
        for j in range(k):
            for i in range(j, k):
                total = A[i, j]
                for f in range(j):
                    total -= A[i, f] * A[j, f]
                A[i, j] = np.sqrt(total) if i == j else total / A[j, j]
        for j in range(k):
            A[j, j] = 1 / A[j, j]
            for i in range(j + 1, k):
                total = 0.0
                for f in range(j, i):
                    total -= A[i, f] * A[f, j]
                A[i, j] = total / A[i, i]
        for i in range(k - 1, -1, -1):
            total = 0.0
            for j in range(i + 1):
                total += A[i, j] * z[j]
            z[i] = total + (normal[row, i] if len(normal) else 0.0)
        for j in range(k):
            total, spread = 0.0, 0.0
            for i in range(j, k):
                total += A[i, j] * z[i]
                spread += A[i, j] * A[i, j]
            vectors[row, j] = total
            variance[row, j] = spread
