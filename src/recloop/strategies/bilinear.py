from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import log_ndtr

from recloop.strategies.gibbs import TRUST, Chain, Evidence, Features, Floats, Side, posterior, scores

ROUNDS = 4  # of finding a row's vector, and how exact and how selected its scores are, before the first sample counts


@dataclass(frozen=True, eq=False)
class Bilinear:
    """Samples of a bilinear model with features (see ``recloop.strategies.gibbs``), ready for new users.

    A user is never looked up: in each sample the vector of a user is the mean of what may be, given the user's own
    scores and features and that sample's items (a Rao-Blackwellised estimate; Gelfand & Smith 1990, "Sampling-based
    approaches to calculating marginal densities", section 2.4). The score of an item is the mean over the samples.

    Attributes:
        items: (s, m, 1 + d) float32, bias and factors of each item in each sample.
        weights: (s, f, 1 + d) float32, those of each feature of users.
        precision: (s, 1 + d) float32, how near users are to what their features say.
        noise: (s,) float32, precision of a score.
        trust: (s, m) float32, how exact the scores of each item are.
        unseen: (m,) float32, how much a pair that was not seen counts with target 0; empty where it does not.
    """

    items: Floats
    weights: Floats
    precision: Floats
    noise: Floats
    trust: Floats
    unseen: Floats

    @classmethod
    def sample(
        cls,
        evidence: Evidence,
        users: Features,
        items: Features,
        *,
        factors: int,
        burn_in: int,
        samples: int,
        thin: int,
        rng: np.random.Generator,
        advance: Callable[[float], None] = lambda _: None,
    ) -> "Bilinear":
        """Draw ``burn_in + samples * thin`` states of a chain and keep every ``thin``-th after the first ``burn_in``.

        Args:
            evidence: of n users about m items.
            users: what is known of the users.
            items: what is known of the items.
            factors: d.
            burn_in: states before the first that counts.
            samples: states that are kept.
            thin: states of which one is kept.
            rng: of all draws.
            advance: is told of each state.
        """
        chain = Chain(evidence, Side(users, factors, rng), Side(items, factors, rng), rng)
        (m, width), f = chain.items.vectors.shape, len(chain.users.weights)
        shapes = {"items": (m, width), "weights": (f, width), "precision": (width,), "noise": (), "trust": (m,)}
        kept = {name: np.empty((samples, *shape), np.float32) for name, shape in shapes.items()}
        for state in range(burn_in + samples * thin):
            chain.advance()
            place, rest = divmod(state - burn_in, thin)
            if place >= 0 and rest == thin - 1:
                kept["items"][place], kept["trust"][place] = chain.items.vectors, chain.items.trust
                kept["weights"][place], kept["precision"][place] = chain.users.weights, chain.users.precision
                kept["noise"][place] = chain.noise
            advance(1)
        return cls(**kept, unseen=np.empty(0, np.float32) if evidence.unseen is None else evidence.unseen)

    def fold_in(
        self, evidence: Evidence, features: sparse.csr_array, told_from: float = -np.inf
    ) -> Iterator[tuple[Floats, Floats]]:
        """For each sample the vectors of new users, (n, 1 + d), and those of the items, (m, 1 + d).

        Args:
            evidence: of n users, without what is unseen.
            features: (n, f) sparse.
            told_from: the least score that would have been told; lower ones are not in the evidence.
        """
        targets, rows, counts = evidence.targets, evidence.rows, np.diff(evidence.targets.indptr)
        rating = not len(self.unseen)
        trust, surplus = np.ones(len(counts), np.float32), np.zeros_like(targets.data)
        for sample, items in enumerate(self.items):
            noise, precision = float(self.noise[sample]), self.precision[sample]
            mean = features @ self.weights[sample]
            weights = evidence.weights * self.trust[sample, targets.indices]
            # trust and surplus depend on the vectors, and the other way round; those of the last sample are near
            for more in reversed(range(1 + int(rating) * (1 if sample else ROUNDS))):
                left = sparse.csr_array((targets.data - surplus, targets.indices, targets.indptr), targets.shape)
                known = Evidence(left, weights * trust[rows], None if rating else self.unseen)
                users, variance = posterior(known, items, noise, precision, mean)
                if not more:
                    break
                expected = scores(users, items, rows, targets.indices)
                if told_from > -np.inf:
                    surplus = _surplus(expected, told_from, (noise * weights) ** -0.5)
                else:
                    # mean-field: errors of the mean, and what they may yet vary because the vector does
                    squares = noise * np.bincount(rows, weights * (targets.data - expected) ** 2, len(counts))
                    squares += (len(precision) - variance @ precision) / trust
                    trust = ((TRUST + 0.5 * counts) / (TRUST + 0.5 * squares)).astype(np.float32)
            yield users, items

    def score(self, evidence: Evidence, features: sparse.csr_array) -> Floats:
        """(n, m) the score of every item for new users; see ``fold_in``."""
        total = np.zeros(evidence.targets.shape, np.float32)
        for users, items in self.fold_in(evidence, features):
            total += users[:, 1:] @ items[:, 1:].T
            total += users[:, :1] + items[:, 0]
        total /= len(self.items)
        return total

    def score_pairs(
        self,
        evidence: Evidence,
        features: sparse.csr_array,
        rows: NDArray[np.integer],
        columns: NDArray[np.integer],
        told_from: float = -np.inf,
    ) -> Floats:
        """(p,) the score of p pairs of a new user and an item; see ``fold_in``."""
        total = np.zeros(len(rows), np.float32)
        for users, items in self.fold_in(evidence, features, told_from):
            total += scores(users, items, rows, columns)
        return total / np.float32(len(self.items))

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What was learned, by name, to be saved."""
        return {f"{prefix}_{entry.name}": getattr(self, entry.name) for entry in fields(self)}

    @classmethod
    def restore(cls, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> "Bilinear":
        """The inverse of ``arrays``."""
        return cls(**{entry.name: arrays[f"{prefix}_{entry.name}"] for entry in fields(cls)})


def _surplus(expected: Floats, least: float, deviation: Floats) -> Floats:
    """How much higher than expected a score is on average where only scores of at least ``least`` are told.

    The mean of a truncated normal distribution, less that of the whole one: deviation * phi(z) / (1 - Phi(z)).
    """
    z = (least - expected.astype(np.float64)) / deviation
    surplus: Floats = (deviation * np.exp(-0.5 * z**2 - log_ndtr(-z)) / np.sqrt(2 * np.pi)).astype(np.float32)
    return surplus
