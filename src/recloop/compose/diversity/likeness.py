"""Diversity by vectors: items unlike those already on the slate."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.diversity.walking import Floats, Taken, gathered, in_blocks, relevance, share, walk
from recloop.data.compiled import compiled
from recloop.data.rankings import Rankings

KERNELS = "recloop.compose.kernels"
STEEPEST = 300.0  # of the quality of a determinantal process: beyond, exp() is 0
SPENT = 1e-5  # of a candidate's own direction that is left when it counts as lying in the span of the slate


def maximal_marginal_relevance(rankings: Rankings, vectors: Floats, k: int, *, diversity: float) -> NDArray[np.int64]:
    """Which candidates to show, in order: relevant, and unlike what stands above them.

    Place after place, the candidate with the greatest (1 − λ) · relevance − λ · max cosine to those already taken;
    relevance is the score brought to [0, 1] over the row's candidates. Ties go to the better-ranked candidate.
    Carbonell & Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998 (their λ is 1 − λ here).

    Args:
        rankings: (n, m) candidates, best first.
        vectors: (n_items, d) of length 1 (``unit``). An item whose vector is zero is unlike every other.
        k: places of the slate.
        diversity: λ in [0, 1]; 0 keeps the order.

    Returns:
        (n, k) int64 columns of ``rankings``; -1 where a row has no candidate left.

    Raises:
        SettingError: ``diversity`` is not in [0, 1].

    >>> r = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[1.0, 0.9, 0.5]], np.float32))
    >>> v = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    >>> maximal_marginal_relevance(r, v, 3, diversity=0.5).tolist()
    [[0, 2, 1]]
    """
    share(diversity, "diversity")
    return in_blocks(rankings, 4 * rankings.k * vectors.shape[1], lambda part, _rows: _mmr(part, vectors, k, diversity))


def _mmr(rankings: Rankings, vectors: Floats, k: int, diversity: float) -> NDArray[np.int64]:
    base = relevance(rankings)
    if diversity == 1:  # padding is -inf, and nothing times that is no number
        base[base > -np.inf] = 0
    else:
        base *= np.float32(1.0 - diversity)
    weight = np.float32(-diversity)
    if kernels := compiled(KERNELS, work=base.size * k * vectors.shape[1]):
        columns = np.full((len(base), k), -1, np.int64)
        kernels.diversified(base, gathered(vectors, rankings), weight, columns)
        return columns
    alike = _Alike(rankings, vectors)
    closest: Floats = np.full_like(base, -2.0)

    def step(taken: Taken, worth: Floats) -> None:
        np.maximum(closest, alike.to(taken), out=closest)
        np.multiply(closest, weight, out=worth)

    return walk(base, k, step)


def determinantal(rankings: Rankings, vectors: Floats, k: int, *, diversity: float) -> NDArray[np.int64]:
    """Which candidates to show, in order: the slate as a whole relevant and spanning much of the space.

    The slate Y that makes det(L_Y) great, with L = Diag(q) S Diag(q), S the cosines and q = exp(α · relevance),
    α = θ / (2 (1 − θ)) for θ = 1 − ``diversity``; found place by place (greedy MAP inference), each candidate's part of
    the determinant kept up to date by one row of its Cholesky factor. Chen, Zhang & Zhou, "Fast greedy MAP inference
    for determinantal point process to improve recommendation diversity", NeurIPS 2018, algorithm 1. Once the slate
    spans all that the vectors do, the rest follows in order of relevance.

    Args:
        rankings: (n, m) candidates, best first.
        vectors: (n_items, d) of length 1 (``unit``). An item whose vector is zero is unlike every other.
        k: places of the slate.
        diversity: in [0, 1]: 0 keeps the order, 1 looks at the vectors alone.

    Returns:
        (n, k) int64 columns of ``rankings``; -1 where a row has no candidate left.

    Raises:
        SettingError: ``diversity`` is not in [0, 1].

    >>> r = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[1.0, 0.9, 0.5]], np.float32))
    >>> v = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    >>> determinantal(r, v, 3, diversity=0.5).tolist()
    [[0, 2, 1]]
    """
    if share(diversity, "diversity") == 0:
        return walk(relevance(rankings), k, lambda _taken, worth: worth.fill(0))
    return in_blocks(
        rankings, 4 * rankings.k * (vectors.shape[1] + k), lambda part, _rows: _dpp(part, vectors, k, diversity)
    )


def _dpp(rankings: Rankings, vectors: Floats, k: int, diversity: float) -> NDArray[np.int64]:
    relevant = relevance(rankings)
    n, m = relevant.shape
    steep = min((1.0 - diversity) / diversity, STEEPEST)  # 2 α
    held = relevant > -np.inf
    whole = held.all()
    base = np.zeros_like(relevant) if whole else np.where(held, np.float32(0), np.float32(-np.inf))
    rest = relevant if whole else np.where(held, relevant, np.float32(0))
    quality = np.exp(np.float32(steep) * (rest - 1))
    alike = _Alike(rankings, vectors)
    own = np.ones_like(base)  # what of each candidate the slate does not span yet
    own_flat = own.reshape(-1)
    factor = np.zeros((n, k, m), np.float32)
    filled = 0

    def step(taken: Taken, worth: Floats) -> None:
        nonlocal filled
        row = alike.to(taken)
        if filled:
            row = row - _spanned(factor, filled, taken)
        length = own_flat[taken]
        row = row * _scale(length)
        own_flat[taken] = 2.0  # it is taken: nothing of it is looked at again, and its own row is 0 from here on
        factor[:, filled] = row
        filled += 1
        np.multiply(row, row, out=row)
        row.reshape(-1)[taken] = 0
        np.subtract(own, row, out=own)
        np.multiply(quality, own, out=worth)
        if own.min() <= SPENT:  # such candidates come after all others, in order of relevance
            worth[:] = np.where(own > SPENT, worth, rest - 2)

    return walk(base, k, step, first=quality)


def _spanned(factor: Floats, filled: int, taken: Taken) -> Floats:
    """(n, m) what of the cosines to those taken the slate spans already."""
    n, _, m = factor.shape
    done = factor[:, :filled]
    if isinstance(taken, int):
        alone: Floats = done[0, :, taken] @ done[0]
        return alone
    own = done[np.arange(n), :, taken % m]
    spanned: Floats = np.matmul(own[:, None], done)[:, 0]
    return spanned


def _scale(length: Any) -> Any:
    """One over the root of what is left of those taken; 0 where nothing is."""
    if np.ndim(length) == 0:
        return np.float32(length**-0.5 if length > SPENT else 0)
    return (1 / np.sqrt(np.where(length > SPENT, length, np.inf)))[:, None].astype(np.float32)


class _Alike:
    """The cosines of the candidates of each request to one of them."""

    def __init__(self, rankings: Rankings, vectors: Floats) -> None:
        self._directions = gathered(vectors, rankings)
        self._flat = self._directions.reshape(-1, vectors.shape[1])

    def to(self, taken: Taken) -> Floats:
        """The cosines to these: (n, m), of one request (m,)."""
        if isinstance(taken, int):
            alone: Floats = self._flat @ self._flat[taken]
            return alone
        alike: Floats = np.matmul(self._directions, self._flat[taken][:, :, None])[:, :, 0]
        return alike
