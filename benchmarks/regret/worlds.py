"""The worlds in which bandits are compared, and the regret of one run; NumPy is all that it needs."""

import numpy as np

SCHEDULES = {"10": (10, 0), "100": (100, 0), "1000": (1000, 0), "late": (10, 500), "exponential": (10, -500)}
STEPS = {"bernoulli": 5000, "linear": 3000, "drift": 5000}
D = 10
POINTS = 10  # of a regret curve


class World:
    """Means and rewards (steps, arms), and features (steps, d) or None."""

    def __init__(self, problem: str, seed: int) -> None:
        rng = np.random.default_rng([seed, sorted(STEPS).index(problem)])
        steps = STEPS[problem]
        self.features = None
        if problem == "linear":
            self.features = rng.normal(size=(steps, D)) / np.sqrt(D)
            self.means = self.features @ rng.normal(size=(D, 10))
            self.rewards = self.means + rng.normal(0, 0.5, self.means.shape)
            return
        arms, parts = (10, 1) if problem == "bernoulli" else (5, 5)
        rates = np.array([rng.permutation([0.45, 0.3, 0.3, 0.25, 0.2]) if parts > 1 else rng.beta(2, 8, arms)
                          for _ in range(parts)])  # fmt: skip
        self.means = np.repeat(rates, steps // parts, axis=0)
        self.rewards = (rng.random(self.means.shape) < self.means).astype(float)


def regret(make, problem: str, schedule: str, seed: int) -> list[float]:
    """What an agent lost against the best arm of each step, up to each tenth of the steps.

    Args:
        make: (arms, features, seed) → agent.
        problem, schedule, seed: the same for all agents that are compared: the world, the luck and the delays are then
            the same for all of them.
    """
    world = World(problem, seed)
    agent = make(world.means.shape[1], 0 if world.features is None else D, seed)
    batch, delay = SCHEDULES[schedule]
    steps, rng = len(world.means), np.random.default_rng([seed, 99])
    delays = rng.exponential(-delay, steps) if delay < 0 else np.full(steps, delay)
    chosen = np.empty(steps, dtype=np.int64)
    chances = np.ones(steps)
    known = np.zeros(steps, dtype=bool)
    for start in range(0, steps, batch):
        rows = slice(start, start + batch)
        seen = None if world.features is None else world.features[rows]
        chosen[rows], chances[rows] = agent.choose(batch, seen)
        now = start + batch
        fresh = np.flatnonzero(~known[:now] & (np.arange(now) + delays[:now] < now))
        known[fresh] = True
        if len(fresh):
            of = chosen[fresh]
            agent.learn(
                of, world.rewards[fresh, of], None if seen is None else world.features[fresh], chances[fresh], fresh
            )
    lost = np.cumsum(world.means.max(axis=1) - world.means[np.arange(steps), chosen])
    return lost[steps // POINTS - 1 :: steps // POINTS].round(4).tolist()
