"""Every bandit over single arms, with the features that it wants."""

from typing import NamedTuple

import numpy as np
import pytest

from recloop.bandits import (
    KLUCB,
    UCB1,
    Bandit,
    BetaThompson,
    EpsilonGreedy,
    Exp3,
    GaussianThompson,
    LinTS,
    LinUCB,
    LogisticThompson,
    Outcomes,
    State,
    TopTwo,
    Watched,
)

ARMS = ["a", "b", "c", "d"]
EVERY: list[Bandit] = [
    EpsilonGreedy(),
    EpsilonGreedy(epsilon=2.0, decay=1.0, discount=0.9),
    UCB1(),
    UCB1(window=7, floor=0.05),
    KLUCB(slack=1.0),
    KLUCB(plus=True, mixture=0.2),
    BetaThompson(),
    BetaThompson(prior="fixed", discount=0.95),
    BetaThompson(prior="fixed", window=9),
    BetaThompson(width=0.5, discount=0.98),
    GaussianThompson(),
    GaussianThompson(width=0.6),
    TopTwo(prior="fixed"),
    LinUCB(),
    LinUCB(ridge=2.0, discount=0.97),
    LinTS(),
    LinTS(width=0.5, floor=0.1),
    LogisticThompson(),
    Exp3(),
    Exp3(rate=0.1, mixture=0.1),
    Watched(),
]


class Learned(NamedTuple):
    """A bandit, what it learned from, and its state after that."""

    bandit: Bandit
    outcomes: Outcomes
    state: State


def some(bandit: Bandit, n: int, seed: int = 0) -> Outcomes:
    """Outcomes with all that any bandit wants."""
    rng = np.random.default_rng(seed)
    arms = rng.integers(0, len(ARMS), n)
    features = rng.normal(size=(n, 3))
    rewards = (rng.random(n) < 0.2 + 0.15 * arms).astype(float)
    return Outcomes(arms, rewards, features if bandit.contextual else None, rng.uniform(0.1, 1, n))


@pytest.fixture(params=EVERY, ids=lambda bandit: repr(bandit)[:60])
def learned(request: pytest.FixtureRequest) -> Learned:
    bandit: Bandit = request.param
    outcomes = some(bandit, 60)
    return Learned(bandit, outcomes, bandit.update(bandit.initial(ARMS, features=3 * bandit.contextual), outcomes))
