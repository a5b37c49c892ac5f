import numpy as np
from numpy.typing import NDArray

from recloop.strategies.kmeans import moved, nearest

ROUNDS = 20  # of Lloyd's algorithm, at most
SAMPLE = 65_536  # points from which centres are learned: 256 for each of 256 centres say enough


def semantic_ids(
    vectors: NDArray[np.float32], weight: NDArray[np.float32], levels: int, codes: int, seed: int = 0
) -> tuple[NDArray[np.int32], list[NDArray[np.float32]]]:
    """Names of items whose beginnings say what the items are like, and the code books that they were taken from.

    Each level says which centre is nearest to what the levels before left over (Lee et al. 2022, "Autoregressive image
    generation using residual quantization", section 3.1, by k-means for each level instead of a learned network). Where
    items agree in all levels one more number tells them apart (Rajput et al. 2023, "Recommender systems with generative
    retrieval", section 3.1), the weightiest first: so that number means the same under every name.

    Args:
        vectors: (n, d).
        weight: (n,) of each item.
        levels: codes of a name.
        codes: the most centres of a level.
        seed: of the centres.

    Returns:
        (n, levels) ids, or (n, levels + 1) where items had to be told apart, and a code book (<= codes, d) per level.

    >>> vectors, weight = np.array([[0.0], [9.0], [8.0], [8.0]], np.float32), np.array([1, 1, 1, 2], np.float32)
    >>> ids, books = semantic_ids(vectors, weight, levels=2, codes=2)
    >>> len(np.unique(ids, axis=0)), ids[2:, -1].tolist(), [len(book) for book in books]
    (4, [1, 0], [2, 2])
    """
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(levels)]
    rest, columns, books = vectors.astype(np.float32), [], []
    for rng in rngs:
        book = centres_of(rest, codes, rng)
        column = nearest(rest, book)
        rest = rest - book[column]
        books.append(book)
        columns.append(column)
    return _told_apart(np.stack(columns, axis=1), weight), books


def centres_of(points: NDArray[np.float32], most: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(k, d) float32, k <= most: centres by k-means, as many as there are different points where those are fewer.

    They start from points drawn with the square of the distance to those drawn before (Arthur & Vassilvitskii 2007,
    "k-means++: the advantages of careful seeding").

    >>> centres_of(np.array([[0.0], [0.0], [1.0], [3.0]], np.float32), 2, np.random.default_rng(0)).ravel().tolist()
    [3.0, 0.3333333432674408]
    """
    if len(points) > SAMPLE:
        points = points[np.sort(rng.choice(len(points), SAMPLE, replace=False))]
    square = np.einsum("nd,nd->n", points, points)
    least = 1e-6 * max(float(square.max()), 1e-12)  # nearer is the same point, but for rounding
    chosen = [int(rng.integers(len(points)))]
    far = np.full(len(points), np.inf, np.float32)
    while True:
        last = points[chosen[-1]]
        distance = square - 2 * (points @ last) + last @ last
        far = np.minimum(far, np.where(distance > least, distance, 0))
        total = np.cumsum(far, dtype=np.float64)
        if len(chosen) == most or not total[-1]:
            break
        chosen.append(int(np.searchsorted(total, rng.random() * total[-1], side="right")))
    return moved(points, points[chosen], ROUNDS)


def _told_apart(ids: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.int32]:
    order = np.lexsort((-weight, *ids.T[::-1]))
    ranked = ids[order]
    starts = np.flatnonzero(np.r_[True, (ranked[1:] != ranked[:-1]).any(axis=1)])
    number = np.empty(len(ids), np.int32)
    number[order] = np.arange(len(ids)) - np.repeat(starts, np.diff(np.r_[starts, len(ids)]))
    return np.column_stack([ids, number]) if number.any() else ids
