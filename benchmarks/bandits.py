"""Regret of bandits on standard problems, and their decisions and updates per CPU second, beside other libraries.

    python benchmarks/bandits.py [--seeds 20] [--only bernoulli linear drift speed] [--json]

Every world is simulated: the true means are known, so regret is counted without the luck of rewards. Rewards are drawn
in advance for every arm and step, so all bandits of a seed meet the same luck. Problems: ten rates that stay; ten arms
whose rewards are linear in ten features; five rates of which the best changes four times. Each with batches of 10, 100 and
1,000 choices, with rewards that come 500 steps late, and with delays that are exponential with that mean.

*Untuned* is one setting for all: what the documentation advises here, and the best of the default settings of the other
libraries. *Tuned* is the best of some settings, found on the same seeds, for everybody. Other libraries need another
environment:

    python -m venv /somewhere && /somewhere/bin/pip install vowpalwabbit mabwiser river
    RECLOOP_PEERS=/somewhere/bin/python python benchmarks/bandits.py
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings

import numpy as np

SCHEDULES = {"10": (10, 0), "100": (100, 0), "1000": (1000, 0), "late": (10, 500), "exponential": (10, -500)}
STEPS = {"bernoulli": 5000, "linear": 3000, "drift": 5000}
D, SPEED_D, SPEED_ARMS = 10, 32, 20
PEERS = ("mabwiser", "river", "vowpalwabbit")


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


def regret(agent, world: World, schedule: str, seed: int) -> float:
    """What an agent lost against the best arm of each step."""
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
            agent.learn(of, world.rewards[fresh, of], None if seen is None else world.features[fresh], chances[fresh])
    return float((world.means.max(axis=1) - world.means[np.arange(steps), chosen]).sum())


# ---- recloop


class Ours:
    """A bandit of recloop with its state."""

    def __init__(self, table: dict, arms: int, d: int, seed: int) -> None:
        import msgspec

        from recloop.bandits import Algorithm

        self.bandit = msgspec.convert(table, Algorithm)
        self.state = self.bandit.initial([str(arm) for arm in range(arms)], features=d)
        self.rng = np.random.default_rng([seed, 7])

    def choose(self, n, features):
        return self.bandit.choose(self.state, np.empty((n, 0)) if features is None else features, self.rng), 1.0

    def learn(self, arms, rewards, features, chances):
        from recloop.bandits import Outcomes

        self.state = self.bandit.update(self.state, Outcomes(arms, rewards, features, chances))


OURS = {  # the first is what the documentation advises
    "bernoulli": [{"name": "beta"}, {"name": "beta", "prior": "fixed"}, {"name": "ucb1", "width": 0.1},
                  {"name": "ucb1", "width": 0.03}, {"name": "epsilon-greedy", "epsilon": 0.03}],
    "linear": [{"name": "lin-ucb"}, {"name": "lin-ucb", "width": 0.5}, {"name": "lin-ucb", "width": 0.25},
               {"name": "lin-ts"}, {"name": "lin-ts", "width": 0.3}],
    "drift": [{"name": "watched"}, {"name": "beta"}, {"name": "beta", "discount": 0.998}, {"name": "beta", "window": 500},
              {"name": "gaussian", "prior_mean": 0.3, "prior_deviation": 0.2, "window": 500},
              {"name": "ucb1", "width": 0.03}, {"name": "epsilon-greedy", "epsilon": 0.1, "window": 500}],
}  # fmt: skip


# ---- the others; each: name → (problem → settings, of which those that are defaults come first), adapter


class MABWiser:
    def __init__(self, words, arms, d, seed):  # noqa: ARG002
        from mabwiser.mab import MAB, LearningPolicy

        name, settings = words
        self.mab = MAB(list(range(arms)), getattr(LearningPolicy, name)(**settings), seed=seed)
        self.arms, self.rng, self.begun = arms, np.random.default_rng(seed), False

    def choose(self, n, features):
        if not self.begun:
            return self.rng.integers(0, self.arms, n), 1.0
        if features is None:
            return np.array([self.mab.predict() for _ in range(n)]), 1.0
        found = self.mab.predict(features)
        return np.atleast_1d(found), 1.0

    def learn(self, arms, rewards, features, chances):  # noqa: ARG002
        fit = self.mab.partial_fit if self.begun else self.mab.fit
        fit(arms.tolist(), rewards.tolist(), features)
        self.begun = True


class River:
    def __init__(self, words, arms, d, seed):  # noqa: ARG002
        from river import bandit, proba, stats

        name, settings = words
        settings = dict(settings)
        if fading := settings.pop("fading", None):
            settings["reward_obj"] = stats.EWMean(fading)
        if name == "ThompsonSampling":
            settings["reward_obj"] = proba.Beta()
        if name != "UCB":
            settings["seed"] = seed
        self.policy, self.arms, self.rng = (
            getattr(bandit, name)(**settings),
            list(range(arms)),
            np.random.default_rng(seed),
        )

    def choose(self, n, features):
        if features is None:
            return np.array([self.policy.pull(self.arms) for _ in range(n)]), 1.0
        return np.array([self.policy.pull(self.arms, context=dict(enumerate(row))) for row in features.tolist()]), 1.0

    def learn(self, arms, rewards, features, chances):  # noqa: ARG002
        rows = [None] * len(arms) if features is None else features.tolist()
        for arm, reward, row in zip(arms.tolist(), rewards.tolist(), rows, strict=True):
            if row is None:
                self.policy.update(arm, bool(reward) if "Thompson" in type(self.policy).__name__ else reward)
            else:
                self.policy.update(arm, dict(enumerate(row)), reward)


class VowpalWabbit:
    def __init__(self, words, arms, d, seed):  # noqa: ARG002
        from vowpalwabbit import Workspace

        self.vw = Workspace(f"--cb_explore {arms} --quiet --random_seed {seed + 1} {words}")
        self.rng = np.random.default_rng(seed)

    def text(self, row):
        return "| one:1" if row is None else "| " + " ".join(f"f{place}:{value:.6f}" for place, value in enumerate(row))

    def choose(self, n, features):
        rows = [None] * n if features is None else features.tolist()
        chosen, chances = np.empty(n, dtype=np.int64), np.empty(n)
        for place, row in enumerate(rows):
            share = np.array(self.vw.predict(self.text(row)))
            arm = int(self.rng.choice(len(share), p=share / share.sum()))
            chosen[place], chances[place] = arm, share[arm]
        return chosen, chances

    def learn(self, arms, rewards, features, chances):
        rows = [None] * len(arms) if features is None else features.tolist()
        for arm, reward, row, chance in zip(arms.tolist(), rewards.tolist(), rows, chances.tolist(), strict=True):
            self.vw.learn(f"{arm + 1}:{-reward}:{max(chance, 1e-6)} {self.text(row)}")


ADAPTERS = {"mabwiser": MABWiser, "river": River, "vowpalwabbit": VowpalWabbit}
PLAIN = {
    "mabwiser": ([("EpsilonGreedy", {}), ("UCB1", {}), ("ThompsonSampling", {}), ("Softmax", {})],
                 [("EpsilonGreedy", {"epsilon": 0.03}), ("UCB1", {"alpha": 0.3}), ("UCB1", {"alpha": 0.15})]),
    "river": ([("EpsilonGreedy", {"epsilon": 0.1}), ("UCB", {"delta": 1}), ("BayesUCB", {}), ("ThompsonSampling", {})],
              [("EpsilonGreedy", {"epsilon": 0.03}), ("UCB", {"delta": 0.2}),
               ("EpsilonGreedy", {"epsilon": 0.05, "fading": 0.02}), ("UCB", {"delta": 0.2, "fading": 0.02})]),
    "vowpalwabbit": ([""], ["--epsilon 0.02", "--bag 5 --epsilon 0.01", "--cover 3"]),
}  # fmt: skip
CONTEXTUAL = {
    "mabwiser": ([("LinUCB", {}), ("LinTS", {}), ("LinGreedy", {})],
                 [("LinUCB", {"alpha": 0.5}), ("LinUCB", {"alpha": 0.25}), ("LinTS", {"alpha": 0.3}),
                  ("LinGreedy", {"epsilon": 0.02})]),
    "river": ([("LinUCBDisjoint", {"alpha": 1.0})], [("LinUCBDisjoint", {"alpha": 0.5}), ("LinUCBDisjoint", {"alpha": 0.25})]),
    "vowpalwabbit": ([""], ["--epsilon 0.02", "--bag 5 --epsilon 0.01", "--cover 3 -l 1"]),
}  # fmt: skip


def judged(make, problem: str, schedule: str, seeds: int) -> list[float]:
    """The regret of every seed."""
    found = []
    for seed in range(seeds):
        world = World(problem, seed)
        agent = make(world.means.shape[1], 0 if world.features is None else D, seed)
        found.append(regret(agent, world, schedule, seed))
    return found


def peers(name: str, problem: str, schedules: list[str], seeds: int) -> None:
    """Print the regrets of a library's settings; runs in the other environment."""
    warnings.simplefilter("ignore")
    default, tuned = (CONTEXTUAL if problem == "linear" else PLAIN)[name]
    for schedule in schedules:
        for number, words in enumerate([*default, *tuned]):
            found = judged(lambda arms, d, seed, w=words: ADAPTERS[name](w, arms, d, seed), problem, schedule, seeds)
            said = words if isinstance(words, str) else f"{words[0]} {words[1] or ''}".strip()
            print(json.dumps([schedule, number < len(default), said, found]), flush=True)


def best(rows):
    """The row with the least mean regret."""
    return min(rows, key=lambda row: np.mean(row[1]))


def compare(problem: str, schedules: list[str], seeds: int, python: str | None) -> list[dict]:
    """Ours beside theirs, untuned and tuned, for each schedule."""
    theirs = []
    for name in PEERS if python else ():
        words = [python, __file__, "--peer", name, "--only", problem, "--seeds", str(seeds), "--schedules", *schedules]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"  {name} did not run: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        theirs += [(name, *json.loads(line)) for line in done.stdout.splitlines()]
    told = []
    for schedule in schedules:
        ours = [(" ".join(map(str, table.values())), judged(lambda k, d, s, t=table: Ours(t, k, d, s), problem, schedule, seeds))
                for table in OURS[problem]]  # fmt: skip
        here = [row for row in theirs if row[1] == schedule]
        pairs = {"untuned": (ours[0], [row for row in here if row[2]]), "tuned": (best(ours), here)}
        for kind, (own, others) in pairs.items():
            row = {"problem": problem, "schedule": schedule, "kind": kind, "recloop": own[0], "regret": np.mean(own[1])}
            if others:
                name, _, _, words, found = min(others, key=lambda one: np.mean(one[4]))
                gap = np.array(found) - np.array(own[1])
                row |= {"peer": f"{name} {words}", "peer_regret": np.mean(found), "gap": gap.mean(),
                        "error": gap.std(ddof=1) / np.sqrt(len(gap))}  # fmt: skip
            told.append(row)
    return told


def rate(work, n: int) -> float:
    """Calls per CPU second: of five rounds the quickest."""
    work(0)
    best_time = np.inf
    for _ in range(5):
        start = time.process_time()
        for place in range(n):
            work(place)
        best_time = min(best_time, time.process_time() - start)
    return n / best_time


def speed(n: int) -> dict[str, float]:
    """Decisions and updates per CPU second of LinUCB with 32 features and 20 arms, and of bare NumPy."""
    from recloop.bandits import LinUCB, Outcomes

    rng = np.random.default_rng(0)
    x, arms = rng.normal(size=(40_000, SPEED_D)), rng.integers(0, SPEED_ARMS, 40_000)
    y = rng.normal(size=40_000)
    inverse, moment = np.stack([np.eye(SPEED_D)] * SPEED_ARMS), np.zeros((SPEED_ARMS, SPEED_D))
    mean = moment.copy()

    def decide(place):
        row = x[place]
        (mean @ row + np.sqrt((inverse @ row) @ row)).argmax()

    def update(place):
        arm, row = arms[place], x[place]
        moved = inverse[arm] @ row
        inverse[arm] -= np.outer(moved, moved) / (1 + row @ moved)
        moment[arm] += y[place] * row
        mean[arm] = inverse[arm] @ moment[arm]

    bandit = LinUCB()
    state = bandit.update(
        bandit.initial([str(arm) for arm in range(SPEED_ARMS)], features=SPEED_D), Outcomes(arms, y, x)
    )
    bandit.posterior(state)

    def learn(place):
        nonlocal state
        one = slice(place, place + 1)
        state = bandit.update(state, Outcomes(arms[one], y[one], x[one]))

    found = {
        "bare decisions": rate(decide, n),
        "bare updates": rate(update, n),
        "decisions": rate(lambda place: bandit.choose(state, x[place : place + 1], rng), n),
        "updates": rate(learn, n),
        "decisions in batches": len(x) * rate(lambda _: bandit.choose(state, x, rng), 1),
        "updates in batches": len(x) * rate(lambda _: bandit.update(state, Outcomes(arms, y, x)), 1),
    }
    return {name: float(value) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=[*STEPS, "speed"], default=[*STEPS, "speed"])
    parser.add_argument("--schedules", nargs="*", choices=list(SCHEDULES), default=list(SCHEDULES))
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peers(options.peer, options.only[0], options.schedules, options.seeds)
    python = os.environ.get("RECLOOP_PEERS")
    told: dict = {"regret": [], "speed": {}}
    for problem in [name for name in STEPS if name in options.only]:
        rows = compare(problem, options.schedules, options.seeds, python)
        told["regret"] += rows
        for row in [] if options.json else rows:
            line = f"{problem:10}{row['schedule']:12}{row['kind']:8} {row['regret']:7.1f} ({row['recloop']})"
            if "peer" in row:
                line += f"   {row['peer_regret']:7.1f} ({row['peer']}), more by {row['gap']:.1f} ± {1.96 * row['error']:.1f}"
            print(line, flush=True)
    if "speed" in options.only:
        told["speed"] = speed(2000)
        for name, value in {} if options.json else told["speed"].items():
            print(f"{name:22}{value:12,.0f} per CPU second")
    if options.json:
        print(json.dumps(told))
    elif not python:
        print("\nother libraries not measured: RECLOOP_PEERS does not name an interpreter that has them")
    return None


if __name__ == "__main__":
    main()
