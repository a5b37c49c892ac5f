import numpy as np
from numpy.typing import ArrayLike, NDArray


def average_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """(n,) ranks from 1 up; equal values share the mean of theirs.

    Args:
        values: (n,) numbers, none of them NaN.

    >>> average_ranks([30, 10, 20, 10])
    array([4. , 1.5, 3. , 1.5])
    """
    _, place, times = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(times) - (times - 1) / 2)[place]
    return ranks
