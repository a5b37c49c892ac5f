"""Do intervals keep their promise where the allocation follows the rewards, and where predictions stand in for answers?

    python benchmarks/validity_adaptive.py              # some minutes
    python benchmarks/validity_adaptive.py --worlds 200 # a first look

Many worlds are simulated at once: every array has the world as its first axis.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from validity import ALPHA, Row

from recloop.stats.adaptive import (
    AdaptiveLog,
    Weighted,
    aipw,
    arm_values,
    average_effect,
    betting,
    bounded_contrast,
    bounded_value,
    contrast,
    empirical_bernstein,
    evaluation_weights,
    lyapunov,
    mixture,
    with_floor,
)

Array = NDArray[np.float64]
Bandit = Literal["Thompson", "epsilon-greedy"]
DECAY = 0.7  # of the floor under the allocation


# ---- bandits over many worlds at once


def thompson(means: Array, deviations: Array) -> Array:
    """(worlds, K): how probable it is that each arm is the best, with normal beliefs, by Gauss-Hermite quadrature."""
    z, weight = np.polynomial.hermite_e.hermegauss(40)
    at = means[..., None] + deviations[..., None] * z  # (worlds, K, nodes)
    below = ndtr((at[:, :, None, :] - means[:, None, :, None]) / deviations[:, None, :, None])
    k = means.shape[1]
    below[:, np.arange(k), np.arange(k)] = 1.0
    best = below.prod(axis=2) @ weight
    return best / best.sum(axis=1, keepdims=True)


def greedy(means: Array, _: Array) -> Array:
    return np.equal(np.arange(means.shape[1]), means.argmax(axis=1)[:, None]).astype(float)


def simulate(
    rng: np.random.Generator,
    worlds: int,
    truth: Array,
    bandit: Bandit,
    rounds: int = 1000,
    every: int = 10,
    mad: float | None = None,
) -> AdaptiveLog:
    """Yes-or-no rewards; the allocation is renewed every so many rounds, over a floor that falls or the mixture design."""
    k = len(truth)
    choose = {"Thompson": thompson, "epsilon-greedy": greedy}[bandit]
    pulls, gains = np.ones((worlds, k)), np.full((worlds, k), 0.5)
    arms, chances = np.empty((worlds, rounds), np.int64), np.empty((worlds, rounds, k))
    rewards = np.empty((worlds, rounds))
    for start in range(0, rounds, every):
        part, t = slice(start, start + every), np.arange(start + 1, start + every + 1)
        means = gains / pulls
        wanted = choose(means, np.sqrt((means * (1 - means) + 0.05) / pulls))
        if mad is not None:
            e = mixture(np.repeat(wanted[:, None], every, axis=1), np.broadcast_to(t, (worlds, every)), mad)
        else:
            floor = 0.1 / k if bandit == "epsilon-greedy" else float((start + 1) ** -DECAY) / k
            e = np.repeat(with_floor(wanted, floor)[:, None], every, axis=1)
        arm = (rng.random((worlds, every, 1)) > np.cumsum(e, axis=2)).sum(axis=2).clip(max=k - 1)
        y = (rng.random((worlds, every)) < truth[arm]).astype(float)
        arms[:, part], chances[:, part], rewards[:, part] = arm, e, y
        picked = np.equal(arm[..., None], np.arange(k))
        pulls += picked.sum(axis=1)
        gains += (picked * y[..., None]).sum(axis=1)
    return AdaptiveLog.of(arms, rewards, chances)


def naive(log: AdaptiveLog) -> Weighted:
    """The plain mean of each arm with its textbook variance: what a dashboard shows."""
    pulled = log.pulled
    n = np.maximum(pulled.sum(axis=1), 1)
    mean = (pulled * log.rewards[..., None]).sum(axis=1) / n
    return Weighted(mean, np.maximum(mean * (1 - mean), 1e-9) / n)


def covered(found: Weighted, truth: float | Array) -> float:
    low, high = found.interval(ALPHA)
    return float(((low <= truth) & (truth <= high)).mean())
