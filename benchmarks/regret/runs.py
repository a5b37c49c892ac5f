"""Runs of bandits, ours here and those of other libraries in their own environment, kept in a file."""

import hashlib
import json
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
from regret.worlds import regret

HERE = Path(__file__).resolve().parent


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

    def learn(self, arms, rewards, features, chances, order):
        from recloop.bandits import Outcomes

        self.state = self.bandit.update(self.state, Outcomes(arms, rewards, features, chances, order=order))


class Runs:
    """Regret curves by task, a list of [library, settings, problem, schedule, seed]; each is run once.

    Args:
        python: an interpreter that has the other libraries; None asks none of them.
        kept: what was run before, a line of JSON for each task; None keeps nothing.
        until: when to stop, by ``time.monotonic``.

    Raises:
        TimeoutError: from ``of``, then; what was run is kept.
    """

    def __init__(self, python: str | None, kept: Path | None, until: float) -> None:
        self.python, self.kept, self.until = python, kept, until
        self.curves: dict[str, list[float]] = {}
        if kept is not None and kept.exists():
            for line in kept.read_text(encoding="utf-8").splitlines():
                task, curve, code = json.loads(line)
                if code == made_by(task[0]):
                    self.curves[json.dumps(task)] = curve

    def of(self, tasks: list[list]) -> np.ndarray:
        """(tasks, points) the regret after each tenth of the steps."""
        new = [task for task in tasks if json.dumps(task) not in self.curves]
        for task in [task for task in new if task[0] == "recloop"]:
            _, table, *where = task
            self._keep(task, regret(lambda *world, t=table: Ours(t, *world), *where))
        if theirs := [task for task in new if task[0] != "recloop"]:
            self._ask(theirs)
        return np.array([self.curves[json.dumps(task)] for task in tasks])

    def _ask(self, tasks: list[list]) -> None:
        words, folder = [str(self.python), "-m", "regret.peers"], HERE.parent
        with subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write(json.dumps(tasks))
            other.stdin.close()
            try:
                for line in other.stdout:
                    self._keep(*json.loads(line))
            except TimeoutError:
                other.kill()
                raise
        if other.returncode:
            sys.exit(f"another library failed in {self.python}")

    def _keep(self, task: list, curve: list[float]) -> None:
        self.curves[json.dumps(task)] = curve
        if self.kept is not None:
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps([task, curve, made_by(task[0])]) + "\n")
        if time.monotonic() > self.until:
            raise TimeoutError


@cache
def made_by(library: str) -> str:
    """What a run depends on: the worlds, and the bandits if they are ours. Other code has another one."""
    ours = sorted((HERE.parents[1] / "src/recloop/bandits").glob("*.py")) if library == "recloop" else []
    texts = [file.read_bytes() for file in (HERE / "worlds.py", *ours)]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]
