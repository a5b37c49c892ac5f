import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(128)
REACH = 9.0  # standard deviations beyond which no path is followed


class Walk:
    """The score of an experiment over its looks, as far as it has not crossed a boundary: a density on a grid.

    At information I the score is normal with mean ``drift * I`` and variance I, and its increments are independent; z
    is the score over the root of I. Each step integrates the density of the last look over the region in which the
    experiment went on.

    Args:
        drift: the effect per unit of information; 0 where nothing changed.

    Source: P. Armitage, C. K. McPherson, B. C. Rowe, "Repeated significance tests on accumulating data", JRSS A 132
    (1969); C. Jennison, B. W. Turnbull, "Group sequential methods with applications to clinical trials" (2000), chapter
    19.

    >>> walk = Walk()
    >>> walk.step(0.5, -1.96, 1.96)
    >>> round(1 - walk.left, 4), round(2 * walk.above(1.0, 1.96), 4)
    (0.05, 0.0331)
    """

    def __init__(self, drift: float = 0.0) -> None:
        self.drift = drift
        self.information = 0.0
        self._spots: NDArray[np.float64] = np.zeros(1)
        self._mass: NDArray[np.float64] = np.ones(1)

    @property
    def left(self) -> float:
        """The chance that no boundary was crossed so far."""
        return float(self._mass.sum())

    def above(self, information: float, z: float) -> float:
        """The chance to come so far and then to be at z or above."""
        return self._beyond(information, z, 1.0)

    def below(self, information: float, z: float) -> float:
        """The chance to come so far and then to be at z or below."""
        return self._beyond(information, z, -1.0)

    def step(self, information: float, low: float, high: float) -> None:
        """Go on to the next look, where the experiment goes on between the boundaries (in z)."""
        root, middle = math.sqrt(information), self.drift * information
        bottom, top = max(low * root, middle - REACH * root), min(high * root, middle + REACH * root)
        half = max(top - bottom, 0.0) / 2
        spots = bottom + half * (POINTS + 1)
        gap = information - self.information
        apart = spots[:, None] - self._spots - self.drift * gap
        density = np.exp(-np.square(apart) / (2 * gap)) / math.sqrt(2 * math.pi * gap)
        self._spots, self._mass, self.information = spots, (density @ self._mass) * half * WEIGHTS, information

    def _beyond(self, information: float, z: float, side: float) -> float:
        gap = information - self.information
        to_go = side * (self._spots + self.drift * gap - z * math.sqrt(information)) / math.sqrt(gap)
        return float(self._mass @ ndtr(to_go))
