"""Several rankings of the same requests become one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recloop.data.rankings import Rankings, top_k
from recloop.errors import SettingError

Scale = Literal["min-max", "z-score"]


@dataclass(frozen=True, slots=True)
class Fused:
    """One ranking made of several.

    Attributes:
        rankings: (n, k), best first.
        sources: (n, k) int16, the place of the ranking that gave each item most of its score; -1 in padding.
    """

    rankings: Rankings
    sources: NDArray[np.int16]


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
    shares = _shares(rankings, weights)
    given = [
        np.broadcast_to(share * (constant + 1.0) / (constant + np.arange(1, r.k + 1)), r.items.shape)
        for share, r in zip(shares, rankings, strict=True)
    ]
    return _sum(rankings, given, k)


def weighted_score(
    rankings: Sequence[Rankings], k: int, *, weights: Sequence[float] | None = None, scale: Scale = "min-max"
) -> Fused:
    """Weighted sum of scores (CombSUM), each ranking brought to one scale per request first.

    Scores become (score − min) / (max − min) or, for ``z-score``, (score − min) / standard deviation, over the items
    that the ranking holds. An item that a ranking does not hold counts there as its worst one: 0. (Giving it the
    mean, as plain z-scores do, would lift unseen items above retrieved ones.) A ranking whose scores are all equal
    gives 1 to each item it holds. Fox & Shaw, "Combination of multiple searches", TREC-2 1994; Montague & Aslam,
    "Relevance score normalization for metasearch", CIKM 2001.

    Args:
        rankings: m rankings of the same n requests.
        k: places of the answer.
        weights: m weights >= 0, not all 0; equal where None. They are divided by their sum.
        scale: ``min-max`` (the answer is in [0, 1]) or ``z-score``.

    Raises:
        SettingError: the weights are negative, sum to zero or are not one per ranking.

    >>> a = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[9.0, 8.0, 5.0]], np.float32))
    >>> b = Rankings(np.array([[1, 0]], np.int32), np.array([[0.2, 0.1]], np.float32))
    >>> weighted_score([a, b], 3, weights=[1, 3]).rankings.scores.tolist()
    [[0.9375, 0.25, 0.0]]
    """
    shares = _shares(rankings, weights)
    return _sum(rankings, [share * _scaled(r, scale) for share, r in zip(shares, rankings, strict=True)], k)


def _shares(rankings: Sequence[Rankings], weights: Sequence[float] | None) -> NDArray[np.float64]:
    if not rankings:
        raise SettingError("there is no ranking to fuse", allowed="at least one is needed")
    shares = np.ones(len(rankings)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(shares) != len(rankings):
        raise SettingError(f"{len(shares)} weights were given for {len(rankings)} rankings", allowed="one each")
    if not np.isfinite(shares).all() or (shares < 0).any() or shares.sum() == 0:
        raise SettingError(
            f"the weights are {shares.tolist()}",
            allowed="weights are numbers of at least 0, of which at least one is above 0",
            advice="leave them out to weigh all alike",
        )
    normal: NDArray[np.float64] = shares / shares.sum()
    return normal


def _scaled(ranking: Rankings, scale: Scale) -> NDArray[np.float64]:
    held = ranking.items >= 0
    scores = np.where(held, ranking.scores, 0.0).astype(np.float64)
    low = np.where(held, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    scores = np.where(held, scores - np.where(np.isfinite(low), low, 0.0), 0.0)
    if scale == "min-max":
        spread = scores.max(axis=1, keepdims=True, initial=0.0)
    else:
        count = np.maximum(held.sum(axis=1, keepdims=True), 1)
        mean = scores.sum(axis=1, keepdims=True) / count
        spread = np.sqrt((np.where(held, scores - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    flat = spread <= 0
    scaled: NDArray[np.float64] = np.where(flat, 1.0, scores / np.where(flat, 1.0, spread))
    return np.where(held, scaled, 0.0)


def _sum(rankings: Sequence[Rankings], given: Sequence[NDArray[np.float64]], k: int) -> Fused:
    """Sums what each ranking gives to the same item of the same request, without a loop over requests."""
    items = np.concatenate([r.items for r in rankings], axis=1)
    n, width = items.shape
    if n == 0 or width == 0:
        empty = Rankings(np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32))
        return Fused(empty, np.full((n, k), -1, np.int16))
    source = np.repeat(np.arange(len(rankings), dtype=np.int16), [r.k for r in rankings])
    order = np.argsort(items, axis=1, kind="stable")  # equal items of a row stand together, in the order of the sources
    items = np.take_along_axis(items, order, axis=1)
    gift = np.take_along_axis(np.concatenate(given, axis=1), order, axis=1).ravel()
    new = np.ones((n, width), dtype=bool)
    new[:, 1:] = items[:, 1:] != items[:, :-1]
    starts = np.flatnonzero(new)
    lengths = np.diff(np.append(starts, n * width))
    best = np.repeat(np.maximum.reduceat(gift, starts), lengths)
    giver = np.where(gift == best, source[order].ravel(), np.int16(len(rankings)))

    held = items.ravel()[starts] >= 0
    scores = np.full((n, width), -np.inf, dtype=np.float32)
    scores.ravel()[starts[held]] = np.add.reduceat(gift, starts)[held]
    sources = np.full((n, width), -1, dtype=np.int16)
    sources.ravel()[starts] = np.minimum.reduceat(giver, starts)

    places = top_k(scores, k)
    filled = places.items >= 0
    column = np.where(filled, places.items, 0)
    return Fused(
        Rankings(np.where(filled, np.take_along_axis(items, column, axis=1), -1).astype(np.int32), places.scores),
        np.where(filled, np.take_along_axis(sources, column, axis=1), -1).astype(np.int16),
    )
