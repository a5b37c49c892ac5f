"""Chance as a pure function of a key: the finaliser of SplitMix64.

Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

import numpy as np
from numpy.typing import NDArray

STEP = np.uint64(0x9E3779B97F4A7C15)
"""Added to a state between two draws."""
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each 64-bit number scrambled, one to one: neighbours come out far apart.

    >>> mixed(np.array([0], dtype=np.uint64) + STEP)
    array([16294208416658607535], dtype=uint64)
    """
    state = (state ^ (state >> np.uint64(30))) * FIRST
    state = (state ^ (state >> np.uint64(27))) * SECOND
    return state ^ (state >> np.uint64(31))


def unit(state: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Scrambled numbers as uniform ones in [0, 1), by their upper 53 bits."""
    uniform: NDArray[np.float64] = (state >> np.uint64(11)).astype(np.float64) / 2.0**53
    return uniform
