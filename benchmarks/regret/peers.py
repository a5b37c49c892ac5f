"""Bandits of other libraries; runs in an environment that has them.

python -m regret.peers < tasks      # a JSON list of [library, settings, problem, schedule, seed]; a line of JSON for each
"""

import json
import sys
import warnings

import numpy as np
from regret.worlds import regret


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

    def learn(self, arms, rewards, features, chances, order):  # noqa: ARG002
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

    def learn(self, arms, rewards, features, chances, order):  # noqa: ARG002
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

    def learn(self, arms, rewards, features, chances, order):  # noqa: ARG002
        rows = [None] * len(arms) if features is None else features.tolist()
        for arm, reward, row, chance in zip(arms.tolist(), rewards.tolist(), rows, chances.tolist(), strict=True):
            self.vw.learn(f"{arm + 1}:{-reward}:{max(chance, 1e-6)} {self.text(row)}")


ADAPTERS = {"mabwiser": MABWiser, "river": River, "vowpalwabbit": VowpalWabbit}


def main() -> None:
    warnings.simplefilter("ignore")
    for library, words, problem, schedule, seed in json.load(sys.stdin):
        found = regret(lambda *world, w=words, a=ADAPTERS[library]: a(w, *world), problem, schedule, seed)
        print(json.dumps([[library, words, problem, schedule, seed], found]), flush=True)


if __name__ == "__main__":
    main()
