"""How far the kinds of items on slates are from a wanted mix, the top places first."""

import math

import numpy as np
from numpy.typing import NDArray


def ndkl(kinds: NDArray[np.integer], desired: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised discounted cumulative KL divergence of slates from a desired distribution; 0 is as desired.

    Args:
        kinds: (n, k) the kind of the item at each place, -1 where a slate has ended.
        desired: (m,) share of each kind; a kind that shall have none and has some is taken at one in a million.

    Returns:
        (n,) nats.

    Source: S. Geyik, S. Ambler, K. Kenthapadi (KDD 2019), definition 2.

    >>> ndkl(np.array([[0, 1], [0, 0]]), np.array([0.5, 0.5])).round(4).tolist()  # ln 2 / Z, Z = 1 + 1 / log2(3)
    [0.425, 0.6931]
    """
    n, k = kinds.shape
    wanted = np.maximum(np.asarray(desired, dtype=np.float64), 1e-6)
    wanted = wanted / wanted.sum()
    there = kinds >= 0
    counts = np.zeros((n, wanted.size))
    total, norm, seen = np.zeros(n), np.zeros(n), np.zeros(n)
    rows = np.arange(n)
    for place in range(k):
        now = there[:, place]
        counts[rows[now], kinds[now, place]] += 1
        seen += now
        share = counts / np.maximum(seen, 1)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.where(share > 0, share * np.log(share / wanted), 0.0).sum(axis=1)
        weight = 1 / math.log2(place + 2)
        total += np.where(now, weight * apart, 0.0)
        norm += np.where(now, weight, 0.0)
    found: NDArray[np.float64] = total / np.maximum(norm, 1e-12)
    return found
