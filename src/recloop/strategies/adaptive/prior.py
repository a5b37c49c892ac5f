from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.strategies.adaptive.packed import inverse, pack, twice, unpack


@dataclass(frozen=True, eq=False)
class Evidence:
    """What n users said about m items: targets, and how much each pair counts.

    Attributes:
        counts: (n, m) sparse, how much each pair that was seen counts, less ``unseen``.
        sums: (n, m) sparse, the same places: how much it counts times its target.
        unseen: how much every other pair counts, with target 0; 0 where only what was seen speaks.
    """

    counts: sparse.csr_array
    sums: sparse.csr_array
    unseen: float = 0.0

    @classmethod
    def of(cls, targets: sparse.csr_array) -> "Evidence":
        """Each entry counts once, nothing else counts."""
        counts = sparse.csr_array((np.ones_like(targets.data), targets.indices, targets.indptr), targets.shape)
        return cls(counts, targets)

    @classmethod
    def taken(cls, weights: sparse.csr_array, unseen: float) -> "Evidence":
        """Target 1 for what was taken, by weight; target 0 for every other pair."""
        less = sparse.csr_array((weights.data - unseen, weights.indices, weights.indptr), weights.shape)
        return cls(less, weights, unseen)

    def rows(self, chosen: slice | NDArray[np.intp]) -> "Evidence":
        """Some of the users."""
        return Evidence(self.counts[chosen], self.sums[chosen], self.unseen)

    def __len__(self) -> int:
        return len(self.counts.indptr) - 1

    @property
    def number(self) -> float:
        """How much all pairs count together."""
        return float(self.counts.data.sum(dtype=np.float64)) + self.unseen * len(self) * int(self.counts.shape[1])

    @property
    def square(self) -> float:
        """The sum of squared targets over all pairs, by how much they count."""
        whole = self.counts.data + self.unseen
        square = np.divide(self.sums.data**2, whole, out=np.zeros_like(whole), where=whole > 0)
        return float(square.sum(dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Heads:
    """Users after their evidence: each a Gaussian.

    Attributes:
        mean: (n, d) float64.
        covariance: (n, d, d) float64.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @property
    def design(self) -> NDArray[np.float64]:
        """(n, 1 + d): 1 for the item's own level, then the mean."""
        return np.concatenate([np.ones((len(self.mean), 1)), self.mean], axis=1)

    def moments(self) -> NDArray[np.float64]:
        """(n, k (k + 1) / 2) packed E[h h'] of h = (1, w), k = 1 + d."""
        design = self.design
        second = design[:, :, None] * design[:, None, :]
        second[:, 1:, 1:] += self.covariance
        return pack(second)


@dataclass(frozen=True, eq=False)
class Prior:
    """What a user is like before the first rating, and how items look to a user's head.

    The answer of user u to item i is b_i + v_i . w_u + noise, with w_u ~ N(z_u M, I) before any evidence, where z_u is
    the user's profile. Given the items, the posterior of w_u is a Gaussian in closed form: that is the adaptation.
    The items are uncertain, too: their second moments stand where a known item would have its outer product.

    Attributes:
        items: (m, 1 + d) float64, the mean of (b_i, v_i).
        moments: (m, k (k + 1) / 2) float64, k = 1 + d, packed E[t t'] of t = (b_i, v_i).
        profile: (f, d) float64, M.
        noise: variance of an answer.
    """

    items: NDArray[np.float64]
    moments: NDArray[np.float64]
    profile: NDArray[np.float64]
    noise: float

    @property
    def d(self) -> int:
        """Length of a head."""
        return int(self.items.shape[1]) - 1

    def adapt(self, evidence: Evidence, profiles: sparse.csr_array) -> Heads:
        """The posterior of each user.

        Args:
            evidence: of n users.
            profiles: (n, f) sparse features of the users.
        """
        k = self.d + 1
        # the first row of a packed matrix is b b, b v': then comes v v'
        levels, outer = self.moments[:, 1:k], self.moments[:, k:]
        precision = evidence.counts @ outer
        answers = evidence.sums @ self.items[:, 1:] - evidence.counts @ levels
        if evidence.unseen:
            precision += evidence.unseen * outer.sum(axis=0)
            answers -= evidence.unseen * levels.sum(axis=0)
        covariance = inverse(unpack(precision / self.noise, self.d) + np.eye(self.d))
        pull = answers / self.noise + profiles @ self.profile
        return Heads(np.matmul(covariance, pull[:, :, None])[:, :, 0], covariance)

    def expect(self, heads: Heads) -> NDArray[np.float64]:
        """(n, m) the expected answer of each user to each item."""
        return heads.design @ self.items.T

    def doubt(self, heads: Heads, expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, m) standard deviation of what is expected, the noise of an answer aside."""
        square = heads.moments() @ (self.moments * twice(self.d + 1)).T
        return np.sqrt(np.maximum(square - expected**2, 0))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, by name, to be saved; single precision."""
        return {
            "prior_items": self.items.astype(np.float32),
            "prior_moments": self.moments.astype(np.float32),
            "prior_profile": self.profile.astype(np.float32),
            "prior_noise": np.array(self.noise, np.float32),
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]]) -> "Prior":
        """The inverse of ``arrays``."""
        items, moments, profile = (
            arrays[f"prior_{name}"].astype(np.float64) for name in ("items", "moments", "profile")
        )
        return cls(items, moments, profile, float(arrays["prior_noise"]))
