"""What the features of an item foretell of it: kernel ridge regression whose kernel is chosen by leaving items out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, solve_triangular

from recloop.progress import SILENT, Progress
from recloop.strategies.base import BLOCK_BYTES
from recloop.strategies.two_tower.blocks import Block

SAMPLE = 800  # items among which the scales are chosen
LANDMARKS = 2000  # items that the kernel compares others with
STEP = 3.0  # a scale is tried at so many times and at one so manieth of its value
ROUNDS = 3
ENOUGH = 5e-4  # share of the error by which a step must lower it
JITTER = 1e-4
RIDGE = 0.1


@dataclass(frozen=True, eq=False)
class Foretold:
    """What a regression says of every item.

    Attributes:
        values: (n_items, t) float32, foretold from the features, for items of the regression, too.
        unseen: (n_items, t) float32, the same for items without their own target: for items of the regression by
            leaving each one out, so that they look as new items do.
        scales: (blocks,) float64, how much each block tells items apart.
        ridge: the regularisation that left-out items chose.
        error: mean squared error of left-out items as a share of the variance: 1 means that features tell nothing.
    """

    values: NDArray[np.float32]
    unseen: NDArray[np.float32]
    scales: NDArray[np.float64]
    ridge: float
    error: float


def foretell(
    blocks: Sequence[Block],
    n_items: int,
    targets: NDArray[np.float64],
    known: NDArray[np.integer],
    *,
    rng: np.random.Generator,
    progress: Progress = SILENT,
) -> Foretold:
    """Targets of all items from their features, learned from the items whose targets are known.

    Gaussian process regression with the kernel ``k(i, j) = exp(-1/2 sum_b s_b |f_b(i) - f_b(j)|^2)``, one scale per
    block (automatic relevance determination: Rasmussen & Williams 2006, "Gaussian processes for machine learning",
    section 5.1). A scale of 0 means that a block says nothing. Scales and ridge are those with the smallest squared
    error of left-out items (the same, section 5.4.2, equation 5.12), found by coordinate steps on a sample of items.
    Above ``LANDMARKS`` items the kernel is approximated by comparing with so many of them (Rudi, Camoriano & Rosasco
    2015, "Less is more: Nystrom computational regularization"): time n x landmarks^2, memory landmarks^2.

    Args:
        blocks: features of all items; none means that nothing can be foretold.
        n_items: size of the catalogue.
        targets: (len(known), t), finite.
        known: indices of the items that have targets.
        rng: draws sample and landmarks.
        progress: who watches.

    >>> line = np.linspace(0, 3, 40, dtype=np.float32)[:, None]
    >>> there = np.ones(40, dtype=bool)
    >>> noise = Block("noise", np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32), there)
    >>> found = foretell([Block("place", line, there), noise], 40, np.sin(line[:39]), np.arange(39),
    ...                  rng=np.random.default_rng(1))
    >>> bool(abs(found.values[39, 0] - np.sin(3)) < 0.02), bool(found.scales[0] > 10 * found.scales[1])
    (True, True)
    """
    mean = targets.mean(axis=0)
    if not blocks or len(known) < 3:
        values = np.tile(mean, (n_items, 1)).astype(np.float32)
        return Foretold(values, values, np.zeros(len(blocks)), RIDGE, 1.0)
    centred = targets - mean
    sample = _draw(len(known), SAMPLE, rng)
    scales, ridge = _choose(blocks, known[sample], centred[sample] - centred[sample].mean(axis=0), progress)
    landmarks = known[_draw(len(known), LANDMARKS, rng)]
    K = _kernel(blocks, scales, landmarks, landmarks).astype(np.float64)
    root = cholesky(K + JITTER * np.eye(len(K)), lower=True, check_finite=False)
    step = max(1, BLOCK_BYTES // (8 * len(landmarks)))
    A, B = ridge * np.eye(len(landmarks)), np.zeros((len(landmarks), targets.shape[1]))
    for start in range(0, len(known), step):
        rows = slice(start, start + step)
        Z = _features(blocks, scales, known[rows], landmarks, root)
        A += Z.T @ Z
        B += Z.T @ centred[rows]
    factor = cho_factor(A, check_finite=False, lower=True)
    weights = cho_solve(factor, B, check_finite=False)
    values = np.empty((n_items, targets.shape[1]), np.float32)
    leverage = np.zeros(n_items)
    with progress.task("reading items", total=n_items) as advance:
        for start in range(0, n_items, step):
            here = np.arange(start, min(start + step, n_items))
            Z = _features(blocks, scales, here, landmarks, root)
            values[here] = Z @ weights + mean
            leverage[here] = (solve_triangular(factor[0], Z.T, lower=True, check_finite=False) ** 2).sum(axis=0)
            advance(len(here))
    unseen = values.copy()
    missed = (targets - values[known]) / np.maximum(1 - leverage[known], 1e-6)[:, None]
    unseen[known] = targets - missed
    error = float((missed**2).sum() / max((centred**2).sum(), 1e-30))
    return Foretold(values, unseen, scales, ridge, error)


def _choose(
    blocks: Sequence[Block], items: NDArray[np.integer], targets: NDArray[np.float64], progress: Progress
) -> tuple[NDArray[np.float64], float]:
    """Scales and ridge by coordinate steps, until a round gains nothing."""
    distances = [block.distances(items, items) for block in blocks]
    typical = np.array([max(float(np.median(D[D > 0])) if (D > 0).any() else 0.0, 1e-6) for D in distances])
    # log scales, with the ridge as the last; together the blocks begin with distances of about 2
    at = np.log(np.r_[2 / (len(blocks) * typical), RIDGE])
    total = max((targets**2).sum(), 1e-30)

    def error(at: NDArray[np.float64]) -> float:
        K = np.exp(-0.5 * sum(scale * D for scale, D in zip(np.exp(at[:-1]), distances, strict=True)))
        K[np.diag_indices(len(K))] += np.exp(at[-1])
        try:
            P = np.linalg.inv(K)
        except LinAlgError:
            return float("inf")
        found = float((((P @ targets) / np.diag(P)[:, None]) ** 2).sum() / total)
        return found if np.isfinite(found) else float("inf")

    moves = [*np.eye(len(at)), np.r_[np.ones(len(blocks)), 0.0]]
    best = error(at)
    with progress.task("weighing features", total=ROUNDS * len(moves)) as advance:
        for _ in range(ROUNDS):
            before = best
            for move in moves:
                for way in (np.log(STEP), -np.log(STEP)):
                    moved = False
                    while abs(at + way * move).max() < 20 and (tried := error(at + way * move)) < best * (1 - ENOUGH):
                        at, best, moved = at + way * move, tried, True
                    if moved:
                        break
                advance(1)
            if before - best < ENOUGH * before:
                break
    return np.exp(at[:-1]), float(np.exp(at[-1]))


def _kernel(
    blocks: Sequence[Block], scales: NDArray[np.float64], rows: NDArray[np.integer], others: NDArray[np.integer]
) -> NDArray[np.float32]:
    total = np.zeros((len(rows), len(others)), np.float32)
    for block, scale in zip(blocks, scales, strict=True):
        total += np.float32(scale) * block.distances(rows, others)
    kernel: NDArray[np.float32] = np.exp(-0.5 * total)
    return kernel


def _features(
    blocks: Sequence[Block],
    scales: NDArray[np.float64],
    rows: NDArray[np.integer],
    landmarks: NDArray[np.integer],
    root: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(rows, landmarks): vectors whose products are the kernel as the landmarks see it."""
    K = _kernel(blocks, scales, landmarks, rows).astype(np.float64)
    found: NDArray[np.float64] = solve_triangular(root, K, lower=True, check_finite=False).T
    return found


def _draw(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
