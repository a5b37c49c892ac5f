"""Chance that belongs to a user's visit: the same however many others come, and whatever a policy draws."""

import numpy as np
from numpy.typing import NDArray

from recloop.data.splitmix import STEP, mixed, unit


def luck_of(seed: int, width: int, *keys: NDArray[np.integer] | int) -> NDArray[np.float64]:
    """(n, width) uniform numbers in [0, 1), a pure function of the seed and the keys (n,) of each row.

    Two variants of an experiment thus meet users in the same mood (common random numbers), and a user who leaves
    early changes nobody else's day. The mixing is the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable
    pseudorandom number generators", OOPSLA 2014).

    >>> luck = luck_of(7, 3, np.array([1, 2]), np.array([0, 0]))
    >>> bool((luck[1] == luck_of(7, 3, np.array([2]), np.array([0]))[0]).all())
    True
    """
    state = mixed(np.atleast_1d(np.uint64(seed & (2**64 - 1))))
    for key in keys:
        state = mixed((state + STEP) ^ np.asarray(key).astype(np.uint64))
    drawn = mixed(state[:, None] + STEP * np.arange(1, width + 1, dtype=np.uint64))
    return unit(drawn)
