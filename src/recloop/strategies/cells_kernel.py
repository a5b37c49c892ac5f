"""The end of a search in ``Cells``. Imports numba: reach it through ``recloop.data.compiled`` only."""

import numpy as np
from numba import types
from numpy.typing import NDArray

from recloop.data.kernels import Floats, Integers, finish, float32, given, int32, int64, jit, made, push
from recloop.strategies.rounded_kernel import exact


@jit(types.void(given(int64, 2), given(float32, 2), given(float32, 2), made(int32, 2), made(float32, 2)))
def best(found: NDArray[np.int64], vectors: Floats, queries: Floats, items: Integers, scores: Floats) -> None:
    """The best of what was found for each query by their exact scores; -1 was not found."""
    for row in range(len(found)):
        size = 0
        for place in range(found.shape[1]):
            item = found[row, place]
            if item >= 0:
                score = exact(vectors[item], queries[row])
                size = push(items[row], scores[row], size, item, score)
        finish(items[row], scores[row], size)
