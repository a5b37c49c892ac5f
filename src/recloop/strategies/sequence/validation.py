"""What a training puts aside to know when to stop."""

import numpy as np
from numpy.typing import NDArray

from recloop.data.histories import Histories

SHARE = 0.1  # of the users, at most


def hold_out(
    histories: Histories, most: int, seed: int, *, share: float = SHARE
) -> tuple[Histories, Histories, NDArray[np.int32]]:
    """The histories without the last event of some users, the shortened histories of those, and those events.

    Args:
        histories: of everybody.
        most: users at most; only those of three events or more are taken.
        seed: of the draw.
        share: of such users, at most.
    """
    able = np.flatnonzero(histories.lengths >= 3)
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    rows = np.sort(rng.choice(able, size=min(most, int(len(able) * share)), replace=False))
    kept, truth = histories.without_last(rows)
    return kept, kept.take(rows), truth


def ndcg(
    scores: NDArray[np.float32], histories: Histories, truth: NDArray[np.int32], k: int = 10
) -> NDArray[np.float64]:
    """(n,) NDCG@k of one true item per row, the other items of the history left out."""
    wanted = scores[np.arange(len(truth)), truth]
    scores[histories.rows, histories.items] = -np.inf
    ahead = (scores > wanted[:, None]).sum(axis=1)
    return np.where(ahead < k, 1 / np.log2(ahead + 2), 0)
