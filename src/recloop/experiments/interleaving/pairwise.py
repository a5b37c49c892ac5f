from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.experiments.interleaving.slate import Interleaved, Ranking, agreement, centred, check_rankings, ranks


def pairwise(rankings: Sequence[Ranking], k: int, rng: np.random.Generator) -> Interleaved:
    """Pairwise preference multileaving: for many rankings at once, whatever their number.

    Place i gets any item that some ranking has among its first i, each as likely as the other. A clicked item is
    preferred to those above it, and to the one below the last click, that were not clicked. The preference counts for
    the rankings that order both items so, and against the others, where both could have been anywhere from the better
    of their two places on; it is weighed by the inverse of the probability that the slate allows that.

    Source: H. Oosterhuis, M. de Rijke, "Sensitive and scalable online evaluation with theoretical guarantees",
    CIKM 2017, algorithms 1 and 2.

    Raises:
        SettingError: fewer than two rankings, ``k`` below 1, or an item twice in a ranking.

    >>> made = pairwise(["ab", "ba", "ab"], 2, np.random.default_rng(1))
    >>> made.items, made.score([0]).round(3).tolist(), made.propensity
    (('a', 'b'), [0.667, -1.333, 0.667], 0.5)
    """
    check_rankings(rankings, k)
    items: list[Hashable] = []
    chance = 1.0
    for depth in range(1, k + 1):
        pool = [item for item in _pool(rankings, depth) if item not in items]
        if not pool:
            break
        items.append(pool[int(rng.integers(len(pool)))])
        chance /= len(pool)
    worth = pair_credits(items, rankings)
    return Interleaved(tuple(items), (-1,) * len(items), centred(worth, agreement(rankings)), chance)


def pair_credits(items: Sequence[Hashable], rankings: Sequence[Ranking]) -> NDArray[np.float64]:
    """(k, k, m) what it says for each ranking that the first place was clicked and the second was not."""
    k = len(items)
    of = ranks(items, rankings)
    held = of <= np.array([len(ranking) for ranking in rankings])
    best = np.where(held, of, np.iinfo(np.int64).max).min(axis=1) - 1  # the place at which the item can first come
    both, either = np.maximum(best[:, None], best), np.minimum(best[:, None], best)
    place = np.arange(k)
    counted = (np.minimum(place[:, None], place) >= both) & ~np.eye(k, dtype=bool)
    # log of the probability that the one which may come first is still waiting when the other may come
    left = np.array([len(_pool(rankings, depth + 1)) - depth for depth in range(k)], dtype=float)
    waits = np.concatenate([[0.0], np.cumsum(np.log(np.maximum(1 - 1 / np.maximum(left, 1), 1e-300)))])
    weight = np.zeros((k, k))
    weight[counted] = np.exp(waits[either[counted]] - waits[both[counted]])
    worth: NDArray[np.float64] = np.sign(of[None, :, :] - of[:, None, :]) * weight[:, :, None]
    return worth


def _pool(rankings: Sequence[Ranking], depth: int) -> list[Hashable]:
    """What some ranking has among its first ``depth``."""
    return list(dict.fromkeys(item for ranking in rankings for item in ranking[:depth]))
