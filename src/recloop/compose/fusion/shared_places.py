from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.compose.fusion.fused import Fused
from recloop.data.rankings import Rankings
from recloop.errors import SettingError


def quotas(rankings: Sequence[Rankings], k: int, *, places: Sequence[int]) -> Fused:
    """So many places for each source, spread evenly: a slate in which each is sure to be seen.

    Of every Σ places, source s has its number, in the order in which each is least behind its share (the highest
    averages method of Webster and Sainte-Laguë); so a shorter slate is shared alike. Each place gets the best item of
    its source that is not on the slate yet; where the source has none left, the next source gives one.

    Args:
        rankings: m rankings of the same n requests.
        k: places of the answer.
        places: m whole numbers of at least 0, not all 0.

    Returns:
        Scores that fall evenly from 1: what a place is worth, not an item.

    Raises:
        SettingError: not one number per ranking, one below 0, or none above.

    >>> a = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[9.0, 8.0, 5.0]], np.float32))
    >>> b = Rankings(np.array([[1, 5]], np.int32), np.array([[0.2, 0.1]], np.float32))
    >>> fused = quotas([a, b], 4, places=[2, 1])
    >>> fused.rankings.items.tolist(), fused.sources.tolist()
    ([[0, 1, 2, 5]], [[0, 1, 0, 1]])
    """
    if len(places) != len(rankings) or any(number < 0 for number in places) or not sum(places):
        raise SettingError(
            f"the quotas are {list(places)} for {len(rankings)} sources",
            allowed="one whole number of at least 0 for each, of which at least one is above 0",
        )
    n, m = len(rankings[0]), len(rankings)
    items = np.full((n, k), -1, np.int32)
    sources = np.full((n, k), -1, np.int16)
    free = [ranking.items >= 0 for ranking in rankings]
    for place, turn in enumerate(_turns(places, k)):
        if not any(one.any() for one in free):
            break
        for source in ((turn + step) % m for step in range(m)):
            open_ = (items[:, place] < 0) & free[source].any(axis=1)
            if not open_.any():
                continue
            column = free[source].argmax(axis=1)
            items[open_, place] = rankings[source].items[open_, column[open_]]
            sources[open_, place] = source
        for one, ranking in zip(free, rankings, strict=True):
            np.logical_and(one, ranking.items != items[:, place, None], out=one)
    filled = items >= 0
    worth = np.broadcast_to(1.0 - np.arange(k) / k, (n, k))
    return Fused(Rankings(items, np.where(filled, worth, -np.inf).astype(np.float32)), sources)


def _turns(places: Sequence[int], k: int) -> NDArray[np.int64]:
    """(k,) whose turn each place is: the k greatest of places / (2 j + 1)."""
    each = np.asarray(places, np.float64)
    quotient = each[None, :] / (2 * np.arange(k)[:, None] + 1)
    order = np.argsort(-quotient.ravel(), kind="stable")[:k]
    turns: NDArray[np.int64] = order % len(each)
    return turns
