import numpy as np
from numpy.typing import NDArray


def exposure(k: int) -> NDArray[np.float64]:
    """(k,) the share of a slate's attention that each place gets: 1 / log2(place + 1), adding to 1.

    The examination of discounted cumulative gain (Järvelin & Kekäläinen 2002), as in Singh & Joachims 2018, "Fairness
    of exposure in rankings".

    >>> exposure(3).round(3).tolist()
    [0.469, 0.296, 0.235]
    """
    weight = 1.0 / np.log2(np.arange(2, k + 2))
    share: NDArray[np.float64] = weight / weight.sum()
    return share


def of_slates(values: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) the mean of what is shown, weighed by exposure; unknown values count 0.

    Args:
        values: (n, m) of candidates.
        places: (n, k) columns of them; -1 is padding, whose exposure goes to the others.
    """
    shown = places >= 0
    found = np.nan_to_num(np.take_along_axis(values, np.maximum(places, 0), axis=1))
    weight = np.where(shown, exposure(places.shape[1]), 0.0)
    total = weight.sum(axis=1)
    mean: NDArray[np.float64] = (found * weight).sum(axis=1) / np.where(total > 0, total, 1.0)
    return mean
