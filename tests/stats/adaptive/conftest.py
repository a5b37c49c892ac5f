"""Logs of bandits in many worlds at once: two arms of the same value, the allocation renewed every ten rounds."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from scipy.special import ndtr

from recloop.stats.adaptive import AdaptiveLog, mixture, with_floor

Simulate = Callable[..., AdaptiveLog]


@lru_cache(maxsize=4)
def simulate(seed: int, worlds: int, rounds: int, *, greedy: bool = False, mixed: bool = False, value=0.3):
    """Yes-or-no rewards of two equal arms under Thompson sampling or epsilon-greedy, with a floor or the mixture."""
    rng = np.random.default_rng(seed)
    pulls, gains = np.ones((worlds, 2)), np.full((worlds, 2), 0.5)
    arms, chances, rewards = np.empty((worlds, rounds), int), np.empty((worlds, rounds, 2)), np.empty((worlds, rounds))
    for start in range(0, rounds, 10):
        part = slice(start, start + 10)
        mean = gains / pulls
        if greedy:
            first = (mean[:, 0] >= mean[:, 1]).astype(float)
        else:
            first = ndtr((mean[:, 0] - mean[:, 1]) / np.sqrt(((mean * (1 - mean) + 0.05) / pulls).sum(axis=1)))
        wanted = np.stack([first, 1 - first], axis=1)
        if mixed:
            t = np.broadcast_to(np.arange(start + 1, start + 11), (worlds, 10))
            e = mixture(np.repeat(wanted[:, None], 10, axis=1), t)
        else:
            floor = 0.05 if greedy else 0.5 * (start + 1) ** -0.5
            e = np.repeat(with_floor(wanted, floor)[:, None], 10, axis=1)
        arm = (rng.random((worlds, 10)) > e[..., 0]).astype(int)
        y = (rng.random((worlds, 10)) < value).astype(float)
        arms[:, part], chances[:, part], rewards[:, part] = arm, e, y
        for k in (0, 1):
            pulls[:, k] += (arm == k).sum(axis=1)
            gains[:, k] += (y * (arm == k)).sum(axis=1)
    return AdaptiveLog.of(arms, rewards, chances)


@pytest.fixture(scope="session")
def worlds() -> Simulate:
    return simulate


@pytest.fixture
def small() -> AdaptiveLog:
    """60 rounds of three arms with contexts; the allocation has three versions."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(60, 2))
    e = rng.dirichlet([2.0, 2.0, 2.0], 60) * 0.7 + 0.1
    arms = (rng.random((60, 1)) > np.cumsum(e, axis=1)).sum(axis=1).clip(max=2)
    return AdaptiveLog.of(arms, arms + x[:, 0] * (arms == 2) + rng.normal(size=60), e, x)
