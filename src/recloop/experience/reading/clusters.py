"""Groups of texts that mean alike, and the texts that belong to none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError

Vectors = NDArray[np.float32]

SAMPLE = 5_000  # texts from which centres are learned
ROUNDS = 30
STARTS = 6
NEAR = 0.6  # of the nearness of the middle text of its group that a text must have
FOREIGN = 0.95  # a text must be nearer to its centre than this share of the texts of other groups
MOST = 20  # groups, where nobody says how many
CLOSE = 0.7  # cosine of two centres from which their groups are one


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Centres, and the group of each text.

    Attributes:
        centres: (k, d) float32 of length 1: the direction of the mean text of each group.
        groups: (n,) int64, -1 where a text belongs to none.
        nearness: (n,) float32, cosine to the nearest centre, what all texts have in common taken away.
    """

    centres: Vectors
    groups: NDArray[np.int64]
    nearness: NDArray[np.float32]

    @property
    def unassigned(self) -> float:
        """Share of the texts that belong to no group."""
        return float((self.groups < 0).mean()) if len(self.groups) else 0.0


def clusters(
    vectors: Vectors, rng: np.random.Generator, *, k: int | None = None, smallest: int | None = None
) -> Clusters:
    """Group vectors by direction, once what all have in common is taken away.

    The mean of all vectors is subtracted first: it is what the whole collection is about, and no theme. Then spherical
    k-means (Dhillon & Modha 2001, "Concept decompositions for large sparse text data using clustering") from k-means++
    starts (Arthur & Vassilvitskii 2007); centres that lie close to one another are joined. A text stays in its group
    only where it is nearer to the centre than 95 of 100 texts of the other groups are, and has at least six tenths of
    the nearness (cosine) of the median text of its group: what lies between groups, or far from all, is left
    unassigned, and so is a group that keeps fewer than ``smallest`` texts.

    Args:
        vectors: (n, d) of length 1; rows of length 0 stay unassigned.
        rng: of the starts and of the sample.
        k: groups at most; None is the number of texts to the power of 0.4, from 2 to 20.
        smallest: texts of a group; None is 5, or one of 100 texts where that is more.

    Raises:
        SettingError: ``k`` or ``smallest`` is below 1.

    >>> rng = np.random.default_rng(0)
    >>> three = np.repeat(np.eye(3), 20, axis=0) + rng.normal(0, 0.05, (60, 3))
    >>> found = clusters((three / np.linalg.norm(three, axis=1, keepdims=True)).astype(np.float32), rng)
    >>> len(found.centres), sorted(np.bincount(found.groups[found.groups >= 0]).tolist())
    (3, [20, 20, 20])
    """
    if (k is not None and k < 1) or (smallest is not None and smallest < 1):
        raise SettingError(f"{k} groups of at least {smallest} texts", allowed="both must be at least 1")
    n, d = vectors.shape
    said = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0.5)
    least = max(5, len(said) // 100) if smallest is None else smallest
    nothing = Clusters(np.empty((0, d), np.float32), np.full(n, -1), np.zeros(n, np.float32))
    if len(said) < 2 * least and k != 1:
        return nothing
    common = vectors[said].mean(axis=0) if k != 1 else np.zeros(d, np.float32)
    own = np.zeros_like(vectors)
    own[said] = _unit(vectors[said] - common)
    sample = own[rng.choice(said, min(SAMPLE, len(said)), replace=False)]
    wanted = min(k or int(np.clip(round(len(said) ** 0.4), 2, MOST)), len(sample))
    middles = _joined(_centres(sample, wanted, rng), sample)
    groups, nearness = _assigned(own, middles, said, least)
    size = np.bincount(groups[groups >= 0], minlength=len(middles))
    order = [place for place in np.argsort(-size, kind="stable") if size[place]]
    if not order:
        return nothing
    renamed = np.full(len(middles) + 1, -1)
    renamed[order] = np.arange(len(order))
    groups = renamed[groups]
    sums = np.zeros((len(order), d), np.float32)
    np.add.at(sums, groups[groups >= 0], vectors[groups >= 0])
    return Clusters(_unit(sums), groups, nearness)


def _unit(rows: Vectors) -> Vectors:
    found: Vectors = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    return found


def _joined(centres: Vectors, vectors: Vectors) -> Vectors:
    """The centres with those joined that lie close to one another, by the texts that they hold."""
    weight = np.bincount((vectors @ centres.T).argmax(axis=1), minlength=len(centres)).astype(np.float32)
    while len(centres) > 1:  # at most some dozens
        near = centres @ centres.T - 2 * np.eye(len(centres), dtype=np.float32)
        a, b = divmod(int(near.argmax()), len(centres))
        if near[a, b] < CLOSE:
            break
        middle = _unit((weight[a] * centres[a] + weight[b] * centres[b])[None])
        kept = [place for place in range(len(centres)) if place not in {a, b}]
        centres = np.concatenate([centres[kept], middle])
        weight = np.append(weight[kept], weight[a] + weight[b])
    return centres


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


def _assigned(
    vectors: Vectors, centres: Vectors, said: NDArray[np.int64], smallest: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    groups = np.full(len(vectors), -1)
    near = vectors @ centres.T
    own, nearness = near.argmax(axis=1), near.max(axis=1).astype(np.float32)
    for group in range(len(centres)):  # groups are few
        foreign = near[said[own[said] != group], group]
        mine = said[own[said] == group]
        least = max(
            float(np.quantile(foreign, FOREIGN)) if len(foreign) else -1.0,
            NEAR * float(np.median(near[mine, group])) if len(mine) else -1.0,
        )
        members = mine[near[mine, group] > least]
        if len(members) >= smallest:
            groups[members] = group
    return groups, nearness
