"""How well a score tells two groups apart."""

import numpy as np
from numpy.typing import NDArray


def auc(high: NDArray[np.floating], low: NDArray[np.floating]) -> float:
    """The probability that a score of the one group lies above one of the other; NaN where a group is empty.

    Args:
        high: scores that should be high.
        low: scores that should be low.

    Source: H. B. Mann, D. R. Whitney, "On a test of whether one of two random variables is stochastically larger than
    the other", Annals of Mathematical Statistics 18 (1947): U as a share of the pairs, ties counting half.

    >>> auc(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    0.875
    """
    if not len(high) or not len(low):
        return float("nan")
    ordered = np.sort(low)
    below, upto = np.searchsorted(ordered, high, "left"), np.searchsorted(ordered, high, "right")
    return float((below + upto).sum() / (2 * len(high) * len(low)))
