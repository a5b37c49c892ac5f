from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recloop.compose.fusion.fused import Fused, shares, summed
from recloop.data.rankings import Rankings


def reciprocal_rank(
    rankings: Sequence[Rankings], k: int, *, weights: Sequence[float] | None = None, constant: float = 60.0
) -> Fused:
    """Reciprocal rank fusion: score = Σ wₛ / (c + rankₛ), ranks from 1, divided by its maximum Σ wₛ / (c + 1).

    So an item that every ranking puts first scores 1, one that no ranking holds is left out. Ties go to the lower
    item index. Cormack, Clarke & Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods", SIGIR 2009 (c = 60).

    Args:
        rankings: m rankings of the same n requests.
        k: places of the answer.
        weights: m weights >= 0, not all 0; equal where None.
        constant: c: the greater, the less the first places outweigh the rest.

    Raises:
        SettingError: the weights are negative, sum to zero or are not one per ranking.

    >>> a = Rankings(np.array([[0, 1]], np.int32), np.array([[9.0, 8.0]], np.float32))
    >>> b = Rankings(np.array([[1, 2]], np.int32), np.array([[0.2, 0.1]], np.float32))
    >>> fused = reciprocal_rank([a, b], 3)
    >>> fused.rankings.items.tolist(), fused.rankings.scores.astype(float).round(4).tolist()
    ([[1, 0, 2]], [[0.9919, 0.5, 0.4919]])
    """
    given = None if weights is None else tuple(weights)
    return summed(rankings, _gifts(given, constant, tuple(r.k for r in rankings)), k)


@lru_cache(64)
def _gifts(weights: tuple[float, ...] | None, constant: float, places: tuple[int, ...]) -> NDArray[np.float64]:
    """(1, places of all rankings together) what each place gives: the same for every request."""
    each = [
        share * (constant + 1.0) / (constant + np.arange(1, own + 1))
        for share, own in zip(shares(len(places), weights).tolist(), places, strict=True)
    ]
    gifts = np.concatenate(each, dtype=np.float64)[None]
    gifts.flags.writeable = False  # it is handed out again
    return gifts
