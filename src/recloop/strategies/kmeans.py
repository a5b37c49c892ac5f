"""Lloyd's algorithm."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

CELLS = 2**20  # distances that are made at a time: more of them leave the nearer memory

Floats = NDArray[np.float32]


def moved(points: Floats, centres: Floats, rounds: int) -> Floats:
    """Centres (k, d) moved to the mean of the points (n, d) that are nearest to them, again and again.

    They rest where no point changes its centre, at last after ``rounds``. A centre that loses all its points stays.

    >>> moved(np.array([[0.0], [1.0], [5.0]], np.float32), np.array([[0.0], [1.0]], np.float32), 9).ravel().tolist()
    [0.5, 5.0]
    """
    centres, before = centres.copy(), None
    for _ in range(rounds):
        near = nearest(points, centres)
        if before is not None and np.array_equal(near, before):
            break
        before = near
        members = np.bincount(near, minlength=len(centres))
        shape = (len(centres), len(points))
        sums = (
            sparse.csr_array((np.ones(len(points), np.float32), (near, np.arange(len(points)))), shape=shape) @ points
        )
        taken = members > 0
        centres[taken] = sums[taken] / members[taken, None]
    return centres


def nearest(points: Floats, centres: Floats) -> NDArray[np.int32]:
    """(n,) the centre that is nearest to each point.

    >>> nearest(np.array([[0.2], [0.9]], np.float32), np.array([[0.0], [1.0]], np.float32)).tolist()
    [0, 1]
    """
    half = np.float32(0.5) * np.einsum("kd,kd->k", centres, centres)
    step = max(1, CELLS // len(centres))
    found = np.empty(len(points), np.int32)
    for low in range(0, len(points), step):
        near = points[low : low + step] @ centres.T
        near -= half
        found[low : low + step] = near.argmax(axis=1)
    return found
