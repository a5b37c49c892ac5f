"""Normal beliefs about the weights of a linear model, one vector per arm: updated by one row, or made of sums."""

from dataclasses import dataclass

import numpy as np

from recloop.bandits.state import Array

_BYTES = 90_000  # of a block: an update copies one, a decision reads all
_ROWS = 128


@dataclass(frozen=True, slots=True)
class Posterior:
    """The weights of arm a are believed to be normal with mean ``means[a]`` and covariance ``noise * inverses[a]``.

    Attributes:
        blocks: arrays (arms, d + 1, d) of some arms each: the inverse of the arm's Gram matrix plus the ridge, and
            below
            it the mean. One product with features gives both what is expected and how sure that is, and an update
            copies one block only.
        noise: variance of a reward around its line.
    """

    blocks: tuple[Array, ...]
    noise: float

    @classmethod
    def of(cls, means: Array, inverses: Array, noise: float) -> "Posterior":
        """From (k, d) and (k, d, d)."""
        k, d = means.shape
        whole = np.concatenate([inverses, means[:, None, :]], axis=1)
        size = arms_in_a_block(d)
        return cls(tuple(np.ascontiguousarray(whole[start : start + size]) for start in range(0, k, size)), noise)

    @property
    def means(self) -> Array:
        """(k, d) the expected weights."""
        return np.concatenate([block[:, -1] for block in self.blocks])

    @property
    def inverses(self) -> Array:
        """(k, d, d) the covariances without the noise."""
        return np.concatenate([block[:, :-1] for block in self.blocks])

    def beliefs(self, features: Array) -> tuple[Array, Array]:
        """(n, k) the expected reward of each arm, and the variance of what is believed of it."""
        n, d = features.shape
        if n == 1:
            row = features[0]
            products = [block.reshape(-1, d) @ row for block in self.blocks]
            found = (products[0] if len(products) == 1 else np.concatenate(products)).reshape(-1, d + 1)
            variance = found[:, :d] @ row
            variance *= self.noise
            return found[None, :, d], variance[None]
        k = sum(map(len, self.blocks))
        mean, variance = np.empty((n, k)), np.empty((n, k))
        at = 0
        for block in self.blocks:
            arms = slice(at, at + len(block))
            at += len(block)
            flat = block.reshape(-1, d).T
            for start in range(0, n, _ROWS):  # so that what is between stays in the cache
                part = features[start : start + _ROWS]
                found = (part @ flat).reshape(len(part), len(block), d + 1)
                mean[start : start + _ROWS, arms] = found[:, :, d]
                variance[start : start + _ROWS, arms] = (found[:, :, :d] @ part[:, :, None])[:, :, 0]
        variance *= self.noise
        return mean, variance

    def after(self, arm: int, features: Array, reward: float) -> "Posterior":
        """The beliefs after one more reward: Sherman & Morrison 1950, and the gain of Kalman 1960."""
        place, row = divmod(arm, len(self.blocks[0]))
        block = self.blocks[place].copy()
        both = block[row] @ features
        moved = both[:-1]
        scale = 1.0 / (1.0 + float(moved @ features))
        gain = both * scale
        gain[-1] = (both[-1] - reward) * scale
        # the row of the mean moves along the same vector: its gain is the error instead of a product
        block[row] -= gain[:, None] * moved
        blocks = list(self.blocks)
        blocks[place] = block
        return Posterior(tuple(blocks), self.noise)

    def samples(self, rng: np.random.Generator, n: int) -> Array:
        """(n, k, d) draws of the weights of every arm, independent between arms and between draws."""
        means = self.means
        roots = np.linalg.cholesky(self.inverses * self.noise)
        return np.asarray(means + np.einsum("kij,nkj->nki", roots, rng.standard_normal((n, *means.shape))))


def arms_in_a_block(d: int) -> int:
    """How many arms with d features share a block."""
    return max(1, _BYTES // (8 * d * (d + 1)))
