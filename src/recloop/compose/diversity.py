import numpy as np
from numpy.typing import NDArray

from recloop.data.rankings import Rankings
from recloop.errors import SettingError

BLOCK_BYTES = 64 * 2**20


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors (n, d) brought to length 1; a zero vector stays zero.

    >>> unit(np.array([[3, 4], [0, 0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return directions


def maximal_marginal_relevance(
    rankings: Rankings, vectors: NDArray[np.float32], k: int, *, diversity: float
) -> NDArray[np.int64]:
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
    if not 0.0 <= diversity <= 1.0:
        raise SettingError(f"diversity is {diversity}", allowed="it must be a number between 0 and 1")
    n, m = rankings.items.shape
    if n == 0 or m == 0:
        return np.full((n, k), -1, dtype=np.int64)
    step = max(1, BLOCK_BYTES // (4 * m * max(1, vectors.shape[1])))
    return np.concatenate(
        [
            _take(rankings.items[at : at + step], rankings.scores[at : at + step], vectors, k, diversity)
            for at in range(0, n, step)
        ]
    )


def _take(
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
    vectors: NDArray[np.float32],
    k: int,
    diversity: float,
) -> NDArray[np.int64]:
    n, m = items.shape
    held = items >= 0
    low = np.where(held, scores, np.inf).min(axis=1, keepdims=True)
    low = np.where(np.isfinite(low), low, 0.0).astype(np.float32)
    above = np.where(held, scores, low) - low
    spread = above.max(axis=1, keepdims=True)
    shares = np.where(spread > 0, above / np.where(spread > 0, spread, 1.0), 1.0)
    relevance = (1.0 - diversity) * shares.astype(np.float32, copy=False)
    relevance[~held] = -np.inf

    directions = vectors[np.where(held, items, 0)]
    rows = np.arange(n)
    taken = np.full((n, k), -1, dtype=np.int64)
    gain: NDArray[np.floating] = relevance.copy()
    closest: NDArray[np.float32] | None = None
    for place in range(min(k, m)):
        best = gain.argmax(axis=1)
        taken[:, place] = np.where(np.isfinite(gain[rows, best]), best, -1)
        relevance[rows, best] = -np.inf
        likeness = np.matmul(directions, directions[rows, best][:, :, None])[:, :, 0]
        closest = likeness if closest is None else np.maximum(closest, likeness)
        gain = relevance - diversity * closest
    return taken
