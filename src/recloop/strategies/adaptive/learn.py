"""Learning the prior across users: the outer loop, with the inner loop (one user's posterior) in closed form.

Meta-learning that adapts the last layer only keeps what the whole of it gains (Raghu, Raghu, Bengio & Vinyals 2020,
"Rapid learning or feature reuse? Towards understanding the effectiveness of MAML", section 4, which calls it ANIL).
With a linear head and squared loss the inner loop needs no gradient steps (Bertinetto, Henriques, Torr & Vedaldi 2019,
"Meta-learning with differentiable closed-form solvers", section 3), and the outer loop can maximise a bound on the
evidence instead of following a gradient: variational Bayes over heads and items in turn (Lim & Teh 2007, "Variational
Bayesian approach to movie rating prediction", section 3), with priors that are linear in the features of both sides
(Kim & Choi 2014, "Scalable variational Bayesian matrix factorization with side information", section 3) and one
precision for each group of features (MacKay 1992, "Bayesian interpolation", section 4).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.strategies.adaptive.packed import inverse, pack, twice, unpack
from recloop.strategies.adaptive.prior import Evidence, Heads, Prior

Floats = NDArray[np.float64]

BLOCK = 2**21  # numbers in the covariances of a block of users
PROFILE_RIDGE = 20.0  # users that the weight of a profile's feature is worth before any
RIDGE = 5.0  # items that the weight of an item's feature is worth, before that is learned
LEAST_RIDGE, MOST_RIDGE = 0.01, 1e5
CONSTANT_RIDGE = 1e-3
SETTLE = 2  # rounds before the ridges are learned: the items of the first one are half noise


@dataclass(frozen=True, eq=False)
class Meta:
    """What carries over from users to users and from one catalogue to another.

    Attributes:
        weights: (p, 1 + d), the prior mean of (b_i, v_i) is x_i times this, x_i the item's features.
        spread: (1 + d, 1 + d), the covariance of (b_i, v_i) around that.
        ridge: (p,) how many items each row of ``weights`` has behind it.
        profile: (f, d), the prior mean of a head is the profile's features times this.
        noise: variance of an answer.
    """

    weights: Floats
    spread: Floats
    ridge: Floats
    profile: Floats
    noise: float

    @classmethod
    def blank(cls, p: int, f: int, d: int, mean: float, variance: float) -> "Meta":
        """Before any data: all items at the mean, all users at the same head, nothing told by features."""
        k = d + 1
        weights = np.zeros((p, k))
        # every item agrees with the first direction of a head, which is therefore how the user leans
        weights[0, 0], weights[0, 1] = mean, np.sqrt(variance) / 2
        spread = np.diag(np.r_[variance / 5, np.full(d, variance / 20)])
        ridge = np.full(p, RIDGE)
        ridge[0] = CONSTANT_RIDGE
        return cls(weights, spread, ridge, np.zeros((f, d)), variance / 2)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, by name, to be saved; single precision."""
        return {
            f"meta_{name}": np.asarray(getattr(self, name), np.float32)
            for name in ("weights", "spread", "ridge", "profile", "noise")
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]]) -> "Meta":
        """The inverse of ``arrays``."""
        weights, spread, ridge, profile = (
            arrays[f"meta_{name}"].astype(np.float64) for name in ("weights", "spread", "ridge", "profile")
        )
        return cls(weights, spread, ridge, profile, float(arrays["meta_noise"]))


class Learner:
    """Rounds of variational Bayes over the items of one catalogue.

    Args:
        features: (m, p) sparse, of the items.
        groups: (p,) the group of each feature, for the precisions.
        start: where to start, and what to lean on.
        trust: users, items and answers that the start is worth; with 0 its ridges are learned, else they are kept.
        rng: of the first vectors of the items, where the start is blank; None leaves them at their prior mean.
    """

    def __init__(
        self,
        features: sparse.csr_array,
        groups: NDArray[np.intp],
        start: Meta,
        trust: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.features, self.groups, self.start, self.trust = features, groups, start, trust
        self.gram = (features.T @ features).toarray()
        self.weights, self.spread, self.ridge = start.weights, start.spread, start.ridge
        self.profile, self.noise = start.profile, start.noise
        self.items = features @ start.weights
        if rng is not None:
            self.items[:, 2:] += rng.standard_normal(self.items[:, 2:].shape) * np.sqrt(start.spread[1, 1]) / 2
        self.covariances = np.tile(start.spread, (len(self.items), 1, 1))
        self.done = 0

    @property
    def k(self) -> int:
        """Length of (b_i, v_i)."""
        return self.items.shape[1]

    def prior(self) -> Prior:
        """What the rounds so far have learned, for new users."""
        moments = pack(self.items[:, :, None] * self.items[:, None, :] + self.covariances)
        return Prior(self.items, moments, self.profile, self.noise)

    def meta(self) -> Meta:
        """What the rounds so far have learned, for another catalogue."""
        ridge = self.ridge + self.gram.diagonal()
        return Meta(self.weights, self.spread, ridge, self.profile, self.noise)

    def round(self, evidence: Evidence, profiles: sparse.csr_array) -> None:
        """Heads given items, items given heads, then what lies behind both.

        Args:
            evidence: of the users to learn from.
            profiles: (n, f) sparse, their features.
        """
        n, m = len(evidence), len(self.items)
        prior = self.prior()
        heads = np.empty((n, self.k - 1))
        moments = np.zeros((m, self.k * (self.k + 1) // 2))  # per item, of the heads that answered
        whole = np.zeros(moments.shape[1])  # of all heads
        answers = np.zeros((m, self.k))
        doubt = np.zeros((self.k - 1, self.k - 1))
        step = max(1, BLOCK // self.k**2)
        for first in range(0, n, step):
            block = evidence.rows(slice(first, first + step))
            found: Heads = prior.adapt(block, profiles[first : first + step])
            heads[first : first + step] = found.mean
            second = found.moments()
            moments += block.counts.T @ second
            answers += block.sums.T @ found.design
            whole += second.sum(axis=0)
            doubt += found.covariance.sum(axis=0)
        if evidence.unseen:
            moments += evidence.unseen * whole
        self._items(moments, answers)
        self._noise(evidence, moments, answers)
        self._weights()
        self._heads(heads, doubt, profiles)
        self.done += 1

    def _items(self, moments: Floats, answers: Floats) -> None:
        """The posterior of each item given the heads of those who answered."""
        inward = inverse(self.spread)
        precision = unpack(moments, self.k) / self.noise + inward
        pull = answers / self.noise + (self.features @ self.weights) @ inward
        self.covariances = inverse(precision)
        self.items = np.matmul(self.covariances, pull[:, :, None])[:, :, 0]

    def _noise(self, evidence: Evidence, moments: Floats, answers: Floats) -> None:
        """The mean squared distance of answers from b_i + v_i . w_u, expected over both."""
        second = pack(self.items[:, :, None] * self.items[:, None, :] + self.covariances)
        square = evidence.square - 2 * (answers * self.items).sum()
        square += np.einsum("ij,ij,j->", moments, second, twice(self.k))
        self.noise = float((self.trust * self.start.noise + square) / (self.trust + evidence.number))

    def _weights(self) -> None:
        """What features tell of items, how far items depart from it, and how much each group of features is heard."""
        m, groups = len(self.items), self.groups
        behind = inverse(self.gram + np.diag(self.ridge))
        centre = self.start.weights if self.trust else np.zeros_like(self.weights)
        self.weights = centre + behind @ (self.features.T @ (self.items - self.features @ centre))
        departs = self.items - self.features @ self.weights
        own = departs.T @ departs + self.covariances.sum(axis=0)
        worth = self.trust or 1.0
        self.spread = (own + worth * self.start.spread) / (m + worth)
        if self.trust or self.done < SETTLE:
            return
        size = np.einsum("pi,ij,pj->p", self.weights, inverse(self.spread), self.weights)
        determined = 1 - self.ridge * behind.diagonal()
        sizes, heard = np.bincount(groups, size), np.bincount(groups, np.maximum(determined, 0))
        ridges = (self.k * heard / np.maximum(sizes, 1e-12)).clip(LEAST_RIDGE, MOST_RIDGE)
        ridges[0] = CONSTANT_RIDGE
        self.ridge = ridges[groups]

    def _heads(self, heads: Floats, doubt: Floats, profiles: sparse.csr_array) -> None:
        """What profiles tell of heads; then everything is turned so that heads depart from it by the unit covariance.

        Without the turn, rounds would trade the scale of heads against that of items for a long time (Liu, Rubin & Wu
        1998, "Parameter expansion to accelerate EM: the PX-EM algorithm").
        """
        ridge = np.full(profiles.shape[1], PROFILE_RIDGE)
        if not self.trust:
            ridge[0] = CONSTANT_RIDGE
        centre = self.start.profile if self.trust else np.zeros_like(self.profile)
        gram = (profiles.T @ profiles).toarray() + np.diag(ridge)
        self.profile = centre + np.linalg.solve(gram, profiles.T @ (heads - profiles @ centre))
        departs = heads - profiles @ self.profile
        worth = self.trust or 1.0
        spread = (departs.T @ departs + doubt + worth * np.eye(self.k - 1)) / (len(heads) + worth)
        half = np.linalg.cholesky(spread)
        turn = np.eye(self.k)
        turn[1:, 1:] = half
        self.items, self.weights, self.profile = self.items @ turn, self.weights @ turn, _back(self.profile, half)
        self.covariances, self.spread = turn.T @ self.covariances @ turn, turn.T @ self.spread @ turn
        self.start = Meta(
            self.start.weights @ turn,
            turn.T @ self.start.spread @ turn,
            self.start.ridge,
            _back(self.start.profile, half),
            self.start.noise,
        )


def _back(profile: Floats, half: Floats) -> Floats:
    """(f, d) the same heads, where their covariance was half half' and is to be the unit."""
    return np.asarray(np.linalg.solve(half, profile.T).T, dtype=np.float64)
