"""Normal beliefs about the weights of a linear model, one vector per arm: moved by one row, or made of sums."""

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg.blas import dger

from recloop.bandits.state import Array

_BYTES = 90_000  # of the arms that are read together for many choices
_ROWS = 128


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """The weights of arm a are believed to be normal with mean ``means[a]`` and covariance ``noise * inverses[a]``.

    Attributes:
        whole: (arms, d + 1, d) the inverse of each arm's Gram matrix plus the ridge, and below it the mean: one product
            with features gives both what is expected and how sure that is.
        noise: variance of a reward around its line.
        moves: one number, how often ``move`` began; whoever shares the array tells by it whether it is what it was.
    """

    whole: Array
    noise: float
    moves: list[int] = field(default_factory=lambda: [0], repr=False)
    _rows: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rows", self.whole.reshape(-1, self.whole.shape[2]))

    @classmethod
    def of(cls, means: Array, inverses: Array, noise: float) -> "Posterior":
        """From (k, d) and (k, d, d)."""
        # in the order of C: another one would be copied by ``move``, and stay as it was
        return cls(np.ascontiguousarray(np.concatenate([inverses, means[:, None, :]], axis=1)), noise)

    @property
    def means(self) -> Array:
        """(k, d) the expected weights."""
        return self.whole[:, -1]

    @property
    def inverses(self) -> Array:
        """(k, d, d) the covariances without the noise."""
        return self.whole[:, :-1]

    def beliefs(self, features: Array) -> tuple[Array, Array]:
        """(n, k) the expected reward of each arm, and the variance of what is believed of it."""
        n, d = features.shape
        if n == 1:
            row = features[0]
            found = self._rows.dot(row).reshape(-1, d + 1)
            variance = found[:, :d].dot(row)
            variance *= self.noise
            return found[None, :, d], variance[None]
        k = len(self.whole)
        mean, variance = np.empty((n, k)), np.empty((n, k))
        size = max(1, _BYTES // (8 * d * (d + 1)))
        for at in range(0, k, size):
            arms = slice(at, min(at + size, k))
            flat = self.whole[arms].reshape(-1, d).T
            for start in range(0, n, _ROWS):  # so that what is between stays in the cache
                part = features[start : start + _ROWS]
                found = (part @ flat).reshape(len(part), -1, d + 1)
                mean[start : start + _ROWS, arms] = found[:, :, d]
                variance[start : start + _ROWS, arms] = (found[:, :, :d] @ part[:, :, None])[:, :, 0]
        variance *= self.noise
        return mean, variance

    def move(self, arm: int, features: Array, reward: float) -> None:
        """Take in one more reward, in place: Sherman & Morrison 1950, and the gain of Kalman 1960."""
        self.moves[0] += 1
        mine = self.whole[arm]
        both = mine.dot(features)
        moved = both[:-1].copy()
        # the row of the mean moves along the same vector: its gain is the error instead of a product
        both[-1] -= reward
        dger(-1.0 / (1.0 + float(moved.dot(features))), moved, both, a=mine.T, overwrite_a=1)

    def samples(self, rng: np.random.Generator, n: int) -> Array:
        """(n, k, d) draws of the weights of every arm, independent between arms and between draws."""
        means = self.means
        roots = np.linalg.cholesky(self.inverses * self.noise)
        return np.asarray(means + np.einsum("kij,nkj->nki", roots, rng.standard_normal((n, *means.shape))))
