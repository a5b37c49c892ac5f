import numpy as np
from numpy.typing import NDArray


def front(merits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(s,) which of s points no other beats: at least as good on every axis and better on one.

    Args:
        merits: (s, d), higher is better; a row with NaN is never on the front.

    >>> front(np.array([[1.0, 5.0], [2.0, 3.0], [1.5, 2.0]])).tolist()
    [True, True, False]
    """
    at_least = (merits[:, None, :] >= merits[None, :, :]).all(axis=2)
    better = (merits[:, None, :] > merits[None, :, :]).any(axis=2)
    beaten = (at_least & better).any(axis=0) | np.isnan(merits).any(axis=1)
    return np.logical_not(beaten)
