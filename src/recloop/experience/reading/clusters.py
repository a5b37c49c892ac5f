"""Groups of texts that mean alike, and the texts that belong to none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError

Vectors = NDArray[np.float32]

SAMPLE = 5_000  # texts from which centres are learned
ROUNDS = 30
STARTS = 3
FOREIGN = 0.95  # a text must be nearer to its centre than this share of the texts of other groups
MOST = 20  # groups that are tried


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Centres, and the group of each text.

    Attributes:
        centres: (k, d) float32 of length 1.
        groups: (n,) int64, -1 where a text belongs to none.
        nearness: (n,) float32, cosine to the nearest centre.
    """

    centres: Vectors
    groups: NDArray[np.int64]
    nearness: NDArray[np.float32]

    @property
    def unassigned(self) -> float:
        """Share of the texts that belong to no group."""
        return float((self.groups < 0).mean()) if len(self.groups) else 0.0


def clusters(vectors: Vectors, rng: np.random.Generator, *, k: int | None = None, smallest: int = 5) -> Clusters:
    """Group vectors by direction.

    Spherical k-means (Dhillon & Modha 2001, "Concept decompositions for large sparse text data using clustering") from
    k-means++ starts (Arthur & Vassilvitskii 2007). A text stays in its group only where it is nearer to the centre than
    95 of 100 texts of the other groups are: what lies between groups is left unassigned, and a group that keeps fewer
    than ``smallest`` texts is given up. Where ``k`` is None, it is the number with the best simplified silhouette
    (Hruschka, de Castro & Campello 2006) among some from 2 to 20.

    Args:
        vectors: (n, d) of length 1; rows of length 0 stay unassigned.
        rng: of the starts and of the sample.
        k: groups at most, or None.
        smallest: see above.

    Raises:
        SettingError: ``k`` or ``smallest`` is below 1.

    >>> rng = np.random.default_rng(0)
    >>> three = np.repeat(np.eye(3), 20, axis=0) + rng.normal(0, 0.05, (60, 3))
    >>> found = clusters((three / np.linalg.norm(three, axis=1, keepdims=True)).astype(np.float32), rng)
    >>> len(found.centres), sorted(np.bincount(found.groups[found.groups >= 0]).tolist())
    (3, [20, 20, 20])
    """
    if (k is not None and k < 1) or smallest < 1:
        raise SettingError(f"{k} groups of at least {smallest} texts", allowed="both must be at least 1")
    said = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0.5)
    if len(said) < smallest:
        return Clusters(
            np.empty((0, vectors.shape[1]), np.float32), np.full(len(vectors), -1), np.zeros(len(vectors), np.float32)
        )
    sample = vectors[rng.choice(said, min(SAMPLE, len(said)), replace=False)]
    tried = (
        [k]
        if k is not None
        else sorted({2, 3, 4, 5, 6, 8, 10, 12, 15, MOST} & set(range(2, len(sample) // smallest + 1)))
    )
    best, centres = -np.inf, sample[:1]
    for n in tried or [1]:
        found = _centres(sample, min(n, len(sample)), rng)
        score = _silhouette(sample @ found.T)
        if score > best:
            best, centres = score, found
    groups, nearness = _assigned(vectors, centres, said, smallest)
    kept = np.flatnonzero(np.bincount(groups[groups >= 0], minlength=len(centres)))
    order = kept[np.argsort(-np.bincount(groups[groups >= 0], minlength=len(centres))[kept], kind="stable")]
    renamed = np.full(len(centres) + 1, -1)
    renamed[order] = np.arange(len(order))
    return Clusters(centres[order], renamed[groups], nearness)


def _centres(vectors: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    """The best of some starts by the summed cosine."""
    best, kept = -np.inf, vectors[:k]
    for _ in range(STARTS):
        centres = _start(vectors, k, rng)
        for _ in range(ROUNDS):
            near = vectors @ centres.T
            own = near.argmax(axis=1)
            sums = np.zeros_like(centres)
            np.add.at(sums, own, vectors)
            length = np.linalg.norm(sums, axis=1, keepdims=True)
            moved = np.where(length > 0, sums / np.maximum(length, 1e-12), centres).astype(np.float32)
            if np.allclose(moved, centres, atol=1e-5):
                break
            centres = moved
        total = float((vectors @ centres.T).max(axis=1).sum())
        if total > best:
            best, kept = total, centres
    return kept


def _start(vectors: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    chosen = [int(rng.integers(len(vectors)))]
    far = np.maximum(1 - vectors @ vectors[chosen[0]], 0).astype(np.float64)
    while len(chosen) < k:
        total = far.sum()
        chosen.append(int(rng.choice(len(vectors), p=far / total)) if total > 0 else int(rng.integers(len(vectors))))
        far = np.minimum(far, np.maximum(1 - vectors @ vectors[chosen[-1]], 0))
    return vectors[chosen].copy()


def _silhouette(near: Vectors) -> float:
    """Mean over texts of how much nearer the own centre is than the next, as a share of the farther distance."""
    if near.shape[1] < 2:
        return 0.0
    first, second = np.sort(1 - near, axis=1)[:, :2].T
    return float(((second - first) / np.maximum(second, 1e-9)).mean())


def _assigned(
    vectors: Vectors, centres: Vectors, said: NDArray[np.int64], smallest: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    groups = np.full(len(vectors), -1)
    near = vectors @ centres.T
    own, nearness = near.argmax(axis=1), near.max(axis=1).astype(np.float32)
    for group in range(len(centres)):  # groups are few
        foreign = near[said[own[said] != group], group]
        least = float(np.quantile(foreign, FOREIGN)) if len(foreign) else -1.0
        members = said[(own[said] == group) & (near[said, group] > least)]
        if len(members) >= smallest:
            groups[members] = group
    return groups, nearness
