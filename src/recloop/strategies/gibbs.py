"""Gibbs sampling of a bilinear model with features on both sides: draws from the posterior of who likes what.

The score of user u and item i is b_u + b_i + p_u . q_i. The vector (b_u, p_u) of a user is drawn around B' x_u, where
x_u are the user's features and B has one vector for each feature; the vector of an item likewise. This is the
factorization machine of Rendle (2010, "Factorization machines", equation 1) whose features are those of both sides and
the identities of user and item, restricted to the pairs of one feature of the user and one of the item.

All conditionals are Gaussian or Gamma (Rendle 2012, "Factorization machines with libFM", section 4.4). The vector of a
row is drawn as a whole (Salakhutdinov & Mnih 2008, "Bayesian probabilistic matrix factorization using Markov chain
Monte Carlo", equation 11), and so are the vectors of all features (Simm et al. 2017, "Macau: scalable Bayesian
factorization with high-dimensional side information using MCMC", equations 6 and 7).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.compiled import compiled
from recloop.strategies.neighbours import plain

KERNEL = "recloop.strategies.gibbs_kernel"
Floats = NDArray[np.float32]

SHAPE, RATE = 1.0, 1.0  # of the Gamma priors of precisions and ratios, as in libFM
DECAY = 0.5  # factor f varies 1 / f^DECAY as much as the first one, so that more factors than needed do little harm
TRUST = 10.0  # ratings that speak for a user or item being as exact as the others, before any of its own is seen
GATHER = 2**20  # floats gathered at once
STEPS = 30  # of conjugate gradients for the vectors of features, at most
TOLERANCE = 0.1  # what is left of the right-hand side, there, over the part of it that is drawn


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of the scores of n rows with m others.

    Attributes:
        targets: (n, m) float32 sparse, the scores seen.
        weights: (nnz,) float32, how much each of them counts.
        unseen: (m,) float32, how much each pair of a row with entries counts with target 0, seen or not; None: nothing.
    """

    targets: sparse.csr_array
    weights: Floats
    unseen: Floats | None = None

    @property
    def rows(self) -> NDArray[np.intp]:
        """(nnz,) the row of each entry."""
        return np.repeat(np.arange(self.targets.shape[0]), np.diff(self.targets.indptr))


@dataclass(frozen=True, eq=False)
class Features:
    """What is known of n users or items beside what they did.

    Attributes:
        matrix: (n, f) float32 sparse.
        groups: (f,) the group of each feature, from 0; the features of a group share how strong they are.
    """

    matrix: sparse.csr_array
    groups: NDArray[np.intp]

    @classmethod
    def constant(cls, n: int) -> "Features":
        """One feature, 1 for all: its vector is the mean of the side."""
        return cls(sparse.csr_array(np.ones((n, 1), np.float32)), np.zeros(1, np.intp))

    def beside(self, block: sparse.csr_array, groups: NDArray[np.intp] | None = None) -> "Features":
        """More features, of new groups; of one where none are named."""
        groups = np.zeros(block.shape[1], np.intp) if groups is None else groups
        together = sparse.csr_array(sparse.hstack([self.matrix, block], format="csr", dtype=np.float32))
        return Features(together, np.concatenate([self.groups, groups + self.groups.max() + 1]))


def posterior(
    evidence: Evidence, given: Floats, noise: float, precision: Floats, mean: Floats, normal: Floats | None = None
) -> tuple[Floats, Floats]:
    """The vectors of rows, given those of the others: the mean of what may be, or a draw from it.

    Args:
        evidence: of n rows about m others.
        given: (m, 1 + d) bias and factors of the others.
        noise: precision of an entry of weight 1.
        precision: (1 + d,) of the prior.
        mean: (n, 1 + d) of the prior.
        normal: (n, 1 + d) standard normal numbers, to draw with; None for the mean.

    Returns:
        (n, 1 + d) float32 vectors, and (n, 1 + d) float32 the variance of each of their numbers.
    """
    width = given.shape[1]
    design = given.copy()
    design[:, 0] = 1
    bias, (starts, indices, seen) = given[:, 0], plain(evidence.targets)
    departs, weights = seen - bias[indices], np.float32(noise) * evidence.weights
    common, zero = np.zeros((width, width)), np.zeros(width)
    if evidence.unseen is not None:
        everyone = (noise * evidence.unseen).astype(np.float64)[:, None] * design
        common, zero = everyone.T @ design, -everyone.T @ bias
    pull = mean * precision
    vectors, variance = np.empty_like(pull), np.empty_like(pull)
    if kernel := compiled(KERNEL, work=(len(indices) + width * len(mean)) * width**2):
        drawn = np.empty((0, width), np.float32) if normal is None else normal
        kernel.solve(starts, indices, departs, weights, design, precision, common, zero, pull, drawn, vectors, variance)
        return vectors, variance
    for block, places, inside in _blocks(starts, width):
        X = design[indices[places]]
        weighted = (X * np.where(inside, weights[places], np.float32(0))[:, :, None]).transpose(0, 2, 1)
        A = np.matmul(weighted, X).astype(np.float64)
        b = np.matmul(weighted, departs[places][:, :, None])[:, :, 0] + pull[block]
        touched = np.asarray(inside.any(axis=1, keepdims=True))
        A += np.diag(precision) + touched[:, :, None] * common
        b = b + touched * zero
        half = np.linalg.inv(np.linalg.cholesky(A))
        z = np.matmul(half, b[:, :, None])[:, :, 0]
        if normal is not None:
            z += normal[block]
        vectors[block] = np.matmul(z[:, None, :], half)[:, 0]
        variance[block] = (half * half).sum(axis=1)
    return vectors, variance


def _blocks(
    indptr: NDArray[np.integer], width: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]]:
    """Rows of like length, padded to the longest: numbers (b,), places of entries (b, l), and which are real (b, l)."""
    lengths = np.diff(indptr)
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        room = np.arange(1, len(order) - first + 1) * (lengths[order[first:]] + width) * width
        last = first + max(1, int(np.searchsorted(room, GATHER, side="right")))
        block = order[first:last]
        inside = np.arange(int(lengths[block[-1]])) < lengths[block, None]
        yield block, np.where(inside, indptr[block, None] + np.arange(inside.shape[1]), 0), inside
        first = last


class Side:
    """The users, or the items: their vectors, and the vectors of their features.

    Args:
        features: of each row.
        factors: d.
        rng: of the vectors that sampling starts from.

    Attributes:
        vectors: (n, 1 + d) bias and factors of each row.
        weights: (f, 1 + d) bias and factors of each feature.
        expected: (n, 1 + d) what the features say of the vectors.
        precision: (1 + d,) how near the vectors are to that.
        trust: (n,) how exact the scores of each row are, beside those of the others.
    """

    def __init__(self, features: Features, factors: int, rng: np.random.Generator) -> None:
        self.features, self.groups = features.matrix, features.groups
        (n, f), width = self.features.shape, 1 + factors
        self._turned = sparse.csr_array(self.features.T)
        self._squares = np.bincount(self.features.indices, self.features.data**2, minlength=f).astype(np.float32)
        self._decay = np.arange(1, width) ** DECAY
        self.vectors = 0.1 * rng.standard_normal((n, width), dtype=np.float32)
        self.weights = np.zeros((f, width), np.float32)
        self.expected = np.zeros((n, width), np.float32)
        self.precision = np.ones(width, np.float32)
        self.trust = np.ones(n, np.float32)

    def draw(self, evidence: Evidence, given: Floats, noise: float, rng: np.random.Generator) -> None:
        """Draw precisions, the vectors of features, and the vectors, each given all others."""
        self._draw_precision(rng)
        self._draw_weights(rng)
        normal = rng.standard_normal(self.vectors.shape, dtype=np.float32)
        self.vectors, _ = posterior(evidence, given, noise, self.precision, self.expected, normal)

    def draw_trust(self, squares: NDArray[np.float64], counts: NDArray[np.intp], rng: np.random.Generator) -> None:
        """Draw how exact each row is, from its squared errors times the noise's precision."""
        self.trust = (rng.gamma(TRUST + 0.5 * counts) / (TRUST + 0.5 * squares)).astype(np.float32)

    def _draw_precision(self, rng: np.random.Generator) -> None:
        n, width = self.vectors.shape
        departs = self.vectors - self.expected
        squares = np.einsum("nk,nk->k", departs, departs, dtype=np.float64)
        bias = rng.gamma(SHAPE + 0.5 * n) / (RATE + 0.5 * squares[0])
        factors = rng.gamma(SHAPE + 0.5 * n * (width - 1)) / (RATE + 0.5 * (self._decay @ squares[1:]))
        self.precision = np.concatenate([[bias], factors * self._decay]).astype(np.float32)

    def _draw_weights(self, rng: np.random.Generator) -> None:
        f, width = self.weights.shape
        scaled = self.weights**2 * self.precision
        # how much smaller the features of a group are than what they leave: one ratio for the bias, one for the factors
        squares = np.stack(
            [np.bincount(self.groups, part) for part in (scaled[:, 0], scaled[:, 1:].sum(axis=1))], axis=1
        )
        counts = np.bincount(self.groups)[:, None] * np.array([1, width - 1])
        ratios = rng.gamma(SHAPE + 0.5 * counts) / (RATE + 0.5 * squares)
        ridge = np.repeat(ratios[self.groups], [1, width - 1], axis=1).astype(np.float32)
        spread = self.precision**-0.5
        first, second = (rng.standard_normal(shape, dtype=np.float32) for shape in (self.vectors.shape, (f, width)))
        right = self._turned @ (self.vectors + first * spread) + np.sqrt(ridge) * spread * second
        self.weights = self._solve(ridge, right.astype(np.float32))
        self.expected = self.features @ self.weights

    def _solve(self, ridge: Floats, right: Floats) -> Floats:
        """(f, k) each column's w with (X'X + diag(ridge)) w = right: conjugate gradients from the last weights."""
        X, XT = self.features, self._turned
        scale = self._squares[:, None] + ridge
        w = self.weights.copy()
        residual = right - XT @ (X @ w) - ridge * w
        direction = residual / scale
        rz = np.einsum("fk,fk->k", residual, direction)
        enough = TOLERANCE**2 * len(w) / self.precision  # the drawn part has the covariance X'X + ridge, over precision
        for _ in range(STEPS):
            if (rz <= enough).all():
                break
            image = XT @ (X @ direction) + ridge * direction
            curve = np.einsum("fk,fk->k", direction, image)
            length = np.divide(rz, curve, out=np.zeros_like(rz), where=curve > 0)
            w += length * direction
            residual -= length * image
            before, rz = rz, np.einsum("fk,fk->k", residual, residual / scale)
            direction = residual / scale + np.divide(rz, before, out=np.zeros_like(rz), where=before > 0) * direction
        return w


class Chain:
    """A state of all that is unknown, and how to draw the next one.

    Args:
        evidence: of n users about m items.
        users, items: both sides.
        rng: of all draws.
    """

    def __init__(self, evidence: Evidence, users: Side, items: Side, rng: np.random.Generator) -> None:
        self.users, self.items, self.noise, self._rng = users, items, 1.0, rng
        self._evidence = evidence
        targets = evidence.targets
        numbered = sparse.csr_array((np.arange(targets.nnz), targets.indices, targets.indptr), shape=targets.shape)
        turned = sparse.csr_array(numbered.tocsc().T)
        self._order = turned.data
        unseen = evidence.unseen
        if unseen is not None:  # a user who did nothing says nothing about what is left unseen
            unseen = np.where(np.diff(targets.indptr) > 0, unseen.max(initial=0), 0).astype(np.float32)
        self._turned = Evidence(
            sparse.csr_array((targets.data[self._order], turned.indices, turned.indptr), shape=turned.shape),
            evidence.weights[self._order],
            unseen,
        )

    def advance(self) -> None:
        """Draw everything once."""
        users, items, rng = self.users, self.items, self._rng
        rows, columns = self._evidence.rows, self._evidence.targets.indices
        weights = self._evidence.weights * users.trust[rows] * items.trust[columns]
        users.draw(replace(self._evidence, weights=weights), items.vectors, self.noise, rng)
        items.draw(replace(self._turned, weights=weights[self._order]), users.vectors, self.noise, rng)
        errors = self._evidence.targets.data - scores(users.vectors, items.vectors, rows, columns)
        squares = errors.astype(np.float64) ** 2
        if self._evidence.unseen is None:
            total, count = float(weights @ squares), float(len(weights))
        else:
            total, count = self._all_pairs(squares)
        self.noise = float(rng.gamma(SHAPE + 0.5 * count) / (RATE + 0.5 * total))
        if self._evidence.unseen is None:
            for side, other, own, counterpart in ((users, items, rows, columns), (items, users, columns, rows)):
                n = len(side.trust)
                spoken = np.bincount(own, self.noise * squares * other.trust[counterpart], minlength=n).astype(
                    np.float64
                )
                side.draw_trust(spoken, np.bincount(own, minlength=n), rng)

    def _all_pairs(self, squares: NDArray[np.float64]) -> tuple[float, float]:
        """Squared errors and weights of what was seen and of all pairs with target 0, summed."""
        assert self._evidence.unseen is not None
        assert self._turned.unseen is not None
        users, items = (
            np.sqrt(weight)[:, None] * np.insert(vectors, place, 1, axis=1)
            for vectors, weight, place in (
                (self.users.vectors.astype(np.float64), (self._turned.unseen > 0).astype(np.float64), 1),
                (self.items.vectors.astype(np.float64), self._evidence.unseen.astype(np.float64), 0),
            )
        )
        total = np.sum((users.T @ users) * (items.T @ items))
        pairs = float((self._turned.unseen > 0).sum()) * float(self._evidence.unseen.sum())
        return float(self._evidence.weights @ squares + total), float(self._evidence.weights.sum() + pairs)


def scores(users: Floats, items: Floats, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> Floats:
    """(p,) the score of each of p pairs of a row of ``users`` and one of ``items``."""
    found = np.empty(len(rows), np.float32)
    step = max(1, GATHER // users.shape[1])
    for start in range(0, len(rows), step):
        u, i = users[rows[start : start + step]], items[columns[start : start + step]]
        found[start : start + step] = u[:, 0] + i[:, 0] + np.einsum("nk,nk->n", u[:, 1:], i[:, 1:])
    return found
