"""Normal beliefs about the weights of a linear model, one vector per arm: updated by one row, or made of sums."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recloop.bandits.state import Array

_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Posterior:
    """The weights of arm a are believed to be normal with mean ``mean[a]`` and covariance ``noise * inverse[a]``.

    Attributes:
        mean: (k, d).
        inverse: k arrays (d, d), each the inverse of the arm's Gram matrix plus the ridge.
        packed: (k, d (d + 1) / 2) the upper triangles of ``inverse``, those off the diagonal doubled.
        noise: variance of a reward around its line.
    """

    mean: Array
    inverse: tuple[Array, ...]
    packed: Array
    noise: float

    @classmethod
    def of(cls, mean: Array, inverse: Array, noise: float) -> "Posterior":
        """From stacked arrays (k, d) and (k, d, d)."""
        k, d = mean.shape
        at, twice = _triangle(d)
        packed = inverse.reshape(k, d * d).take(at, axis=1) * twice
        return cls(mean, tuple(inverse), packed, noise)

    def values(self, features: Array) -> Array:
        """(n, k) the expected reward of each arm."""
        return features @ self.mean.T

    def variances(self, features: Array) -> Array:
        """(n, k) the variance of what is believed of the expected reward of each arm."""
        n, d = features.shape
        at, _ = _triangle(d)
        if n == 1:
            row = features[0]
            spread = self.packed @ np.multiply.outer(row, row).ravel().take(at)
            return np.maximum(spread, 0.0)[None] * self.noise
        low, high = _sides(d)
        spread = np.empty((n, len(self.packed)))
        for start in range(0, n, _BLOCK):  # a block's products of features stay in the cache
            part = features[start : start + _BLOCK]
            spread[start : start + _BLOCK] = (part.take(low, axis=1) * part.take(high, axis=1)) @ self.packed.T
        return np.maximum(spread, 0.0, out=spread) * self.noise

    def after(self, arm: int, features: Array, reward: float) -> "Posterior":
        """The beliefs after one more reward: Sherman & Morrison 1950, and the gain of Kalman 1960."""
        old = self.inverse[arm]
        moved = old @ features
        scale = 1.0 / (1.0 + float(features @ moved))
        new = old - np.multiply.outer(moved, moved * scale)
        at, twice = _triangle(len(features))
        packed, mean = self.packed.copy(), self.mean.copy()
        np.multiply(new.ravel().take(at), twice, out=packed[arm])
        mean[arm] += moved * (scale * (reward - float(features @ self.mean[arm])))
        return Posterior(mean, (*self.inverse[:arm], new, *self.inverse[arm + 1 :]), packed, self.noise)

    def samples(self, uniform_rng: np.random.Generator, n: int) -> Array:
        """(n, k, d) draws of the weights of every arm, independent between arms and between draws."""
        k, d = self.mean.shape
        roots = np.linalg.cholesky(np.stack(self.inverse) * self.noise)
        normal = uniform_rng.standard_normal((n, k, d))
        return np.asarray(self.mean + np.einsum("kij,nkj->nki", roots, normal))


@lru_cache(maxsize=32)
def _sides(d: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    low, high = np.triu_indices(d)
    return low, high


@lru_cache(maxsize=32)
def _triangle(d: int) -> tuple[NDArray[np.intp], Array]:
    """Where the upper triangle lies in a flat (d, d), and 2 for what stands for two entries."""
    low, high = np.triu_indices(d)
    return low * d + high, np.where(low == high, 1.0, 2.0)
