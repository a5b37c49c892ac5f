from typing import NamedTuple, Self

import numpy as np

from recloop.stats.adaptive.log import Array


class Band(NamedTuple):
    """A confidence sequence: after each round an estimate and an interval, all of which hold at once.

    Args:
        estimate: (..., T).
        low: (..., T).
        high: (..., T).
    """

    estimate: Array
    low: Array
    high: Array

    def intersection(self) -> Self:
        """Each interval cut by all that came before: allowed where what is estimated does not move with time.

        >>> Band(np.zeros(2), np.array([-1.0, -2.0]), np.array([2.0, 1.0])).intersection().low.tolist()
        [-1.0, -1.0]
        """
        low, high = np.maximum.accumulate(self.low, axis=-1), np.minimum.accumulate(self.high, axis=-1)
        return self._replace(low=low, high=high)

    def covers(self, truth: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """(...,) whether the truth was inside after every round."""
        inside = np.logical_and(np.less_equal(self.low, truth), np.greater_equal(self.high, truth))
        return np.asarray(inside.all(axis=-1))
