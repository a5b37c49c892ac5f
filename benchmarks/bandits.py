"""Regret of bandits on standard problems, and their decisions and updates per CPU second, beside other libraries.

    python benchmarks/bandits.py [--seeds 20] [--only bernoulli linear drift speed] [--json]

Every world is simulated: the true means are known, so regret is counted without the luck of rewards. Rewards are drawn
in advance for every arm and step, so all bandits of a seed meet the same luck. Problems: ten rates that stay; ten arms
whose rewards are linear in ten features; five rates of which the best changes four times. Each with batches of 10, 100 and
1,000 choices, with rewards that come 500 steps late, and with delays that are exponential with that mean.

*Untuned* is one setting of ours for a problem, that which the documentation advises, beside the best of the default
settings of all other libraries. *Tuned* is the best of eight settings of ours beside the best of all settings of all
others. All settings are tried on ``--tuning`` seeds; the three that are best there, and what was run untuned, are run
on the seeds that are reported, apart from those, and the best of them is told, of ours as of the others. Other libraries
need another environment. What was run is kept in ``--keep``, so that the same command goes on where it stopped (after
``--minutes``), and runs our own bandits anew only where their code has changed:

    python -m venv /somewhere && /somewhere/bin/pip install vowpalwabbit mabwiser river
    RECLOOP_PEERS=/somewhere/bin/python python benchmarks/bandits.py --keep peers.jsonl
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from regret.grids import OURS, THEIRS
from regret.runs import Runs
from regret.worlds import SCHEDULES, STEPS

SPEED_D, SPEED_ARMS = 32, 20
TUNING = 10_000  # the first seed to tune on
FINALISTS = 3


Setting = tuple[str, object]


def finalists(runs: Runs, settings: list[Setting], problem: str, schedule: str, tuning: int) -> list[Setting]:
    """The settings that lost the least on the seeds to tune on."""
    lost = [runs.of([[*one, problem, schedule, TUNING + seed] for seed in range(tuning)])[:, -1] for one in settings]
    return [settings[place] for place in np.argsort([one.mean() for one in lost])[:FINALISTS]]


def best(runs: Runs, settings: list[Setting], problem: str, schedule: str, seeds: int) -> tuple[Setting, np.ndarray]:
    """The setting that lost the least on the seeds that are reported, and its curves (seeds, points)."""
    curves = [runs.of([[*one, problem, schedule, seed] for seed in range(seeds)]) for one in settings]
    place = int(np.argmin([one[:, -1].mean() for one in curves]))
    return settings[place], curves[place]


def said(setting: Setting) -> str:
    """A setting in words."""
    library, words = setting
    if isinstance(words, dict):
        return " ".join([words["name"], *(f"{key} {value}" for key, value in words.items() if key != "name")])
    return f"{library} {words if isinstance(words, str) else ' '.join(str(one) for one in words if one)}".strip()


def compare(runs: Runs, problem: str, schedule: str, seeds: int, tuning: int) -> list[dict]:
    """Ours beside theirs, untuned and tuned; who tunes has what is best untuned to choose from, too."""
    told = []
    own: list[Setting] = []
    last: list[Setting] = []
    for kind in ("untuned", "tuned"):
        ours = [("recloop", table) for table in OURS[problem]]
        own += ours[:1] if kind == "untuned" else finalists(runs, ours, problem, schedule, tuning)
        setting, curves = best(runs, own, problem, schedule, seeds)
        row = {"problem": problem, "schedule": schedule, "kind": kind, "recloop": said(setting),
               "regret": curves[:, -1].mean(), "curve": curves.mean(axis=0).round(2).tolist()}  # fmt: skip
        if runs.python:
            others = [(library, words) for library, (default, tuned) in THEIRS[problem].items()
                      for words in ([*default, *tuned] if kind == "tuned" else default)]  # fmt: skip
            last += finalists(runs, others, problem, schedule, tuning)
            other, theirs = best(runs, last, problem, schedule, seeds)
            gap = theirs[:, -1] - curves[:, -1]
            row |= {"peer": said(other), "peer_regret": theirs[:, -1].mean(), "gap": gap.mean(),
                    "error": gap.std(ddof=1) / np.sqrt(seeds), "peer_curve": theirs.mean(axis=0).round(2).tolist()}  # fmt: skip
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
    parser.add_argument("--seeds", type=int, default=20, help="that are reported, of each problem and schedule")
    parser.add_argument("--tuning", type=int, default=3, help="seeds to tune on, apart from those")
    parser.add_argument("--only", nargs="*", choices=[*STEPS, "speed"], default=[*STEPS, "speed"])
    parser.add_argument("--schedules", nargs="*", choices=list(SCHEDULES), default=list(SCHEDULES))
    parser.add_argument("--keep", type=Path, help="file of what was run")
    parser.add_argument("--minutes", type=float, default=np.inf, help="after which it stops; the same command goes on")
    parser.add_argument("--json", action="store_true", help="one JSON object with regret curves instead of tables")
    options = parser.parse_args()
    if np.isfinite(options.minutes) and options.keep is None:
        parser.error("--minutes needs --keep: what was run would be lost")
    runs = Runs(os.environ.get("RECLOOP_PEERS"), options.keep, time.monotonic() + 60 * options.minutes)
    try:
        measure(options, runs)
    except TimeoutError:
        sys.exit(
            f"stopped after {options.minutes:g} minutes: {len(runs.curves)} runs are kept, the same command goes on"
        )


def measure(options: argparse.Namespace, runs: Runs) -> None:
    """Print, or tell as JSON, what the options ask for."""
    told: dict = {"regret": [], "speed": {}}
    for problem in [name for name in STEPS if name in options.only]:
        for schedule in options.schedules:
            rows = compare(runs, problem, schedule, options.seeds, options.tuning)
            told["regret"] += rows
            for row in [] if options.json else rows:
                line = f"{problem:10}{schedule:12}{row['kind']:8} {row['regret']:7.1f} ({row['recloop']})"
                if "peer" in row:
                    line += f"   {row['peer_regret']:7.1f} ({row['peer']}), more by {row['gap']:.1f} ± {1.96 * row['error']:.1f}"
                print(line, flush=True)
    if "speed" in options.only:
        told["speed"] = speed(2000)
        for name, value in {} if options.json else told["speed"].items():
            print(f"{name:22}{value:12,.0f} per CPU second")
    if options.json:
        print(json.dumps(told))
    elif not runs.python:
        print("\nother libraries not measured: RECLOOP_PEERS does not name an interpreter that has them")


if __name__ == "__main__":
    main()
