from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.splitmix import FIRST, SECOND, STEP, mixed
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting


class Random(Strategy):
    """Every item equally likely, in an order fixed by the request's key: the floor under every comparison.

    Scores are SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators") of key, item
    and seed, in [0, 1): the same request gets the same order whatever batch it comes in.

    >>> from recloop.strategies.random import Random
    >>> Random(seed=1).config()
    {'seed': 1}
    """

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "every item equally likely; the floor"

    seed: int = setting(0, "changes every order", low=0, high=2**31)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        pass

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        items = np.arange(histories.n_items, dtype=np.uint64) + np.uint64(self.seed * int(SECOND) % 2**64)
        state = mixed((histories.keys * FIRST)[:, None] + (items + np.uint64(1))[None, :] * STEP)
        scores: NDArray[np.float32] = (state >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return scores
