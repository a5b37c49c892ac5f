"""The work on one search: threads ask for trials, make them, and tell."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError, ExtraError, MissingError, RecloopError
from recloop.evaluate.pareto import front
from recloop.loop.plan import Plan, StrategyConfig, child_seed
from recloop.loop.race import Hopeless, Watcher
from recloop.loop.space import Space
from recloop.loop.study import OWN, State, Study, Trial
from recloop.loop.tuning import Tuning, said
from recloop.loop.validation import Validation
from recloop.progress import Progress
from recloop.stats import Effect, paired

if TYPE_CHECKING:
    import optuna

USERS = "users"  # the folder of per-user values, of the plan's settings and of the best


class Search:
    """The work on one search: threads ask for trials, make them, and tell."""

    def __init__(
        self,
        plan: Plan,
        name: str,
        space: Space,
        validation: Validation,
        study: Study,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.name, self.space, self.validation, self.study, self.folder = name, space, validation, study, folder
        self.entry, self.progress = plan.strategies[name], progress
        derived = {"seed": child_seed(plan.run.seed, name)}
        self.given = {key: value for key, value in self.entry.settings.items() if derived.get(key) != value}
        config = self.entry.make().config()
        own = {setting: config[setting] for setting in space}
        self.own = own if all(tried.contains(own[setting]) for setting, tried in space.items()) else None
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.best = self._best()
        self.best_users = None if self.best is None else self._users(self.best.settings)

    # ---- making trials

    def run(self, trials: int, timeout: float | None, jobs: int, clock: Callable[[], float]) -> None:
        """Make trials until there are so many, the time is over, or somebody stops it."""
        ends = float("inf") if timeout is None else clock() + timeout

        def more() -> "optuna.Trial | None":
            with self.lock:
                if self.stop.is_set() or clock() >= ends or self.study.begun >= trials:
                    return None
                return self.study.ask(self.own)

        def work(advance: Callable[[float], None]) -> None:
            try:
                while (trial := more()) is not None:
                    self._make(trial)
                    advance(1)
            except BaseException:  # Ctrl-C, or an error: the other threads end at their next sign of life
                self.stop.set()
                raise

        with self.progress.task(f"Tune {self.name}", total=trials) as advance:
            advance(min(trials, self.study.begun))
            if jobs == 1:
                work(advance)
                return
            with ThreadPoolExecutor(jobs, thread_name_prefix="tune") as pool:
                working = [pool.submit(work, advance) for _ in range(jobs)]
                try:
                    for done in as_completed(working):
                        done.result()
                except BaseException:
                    self.stop.set()
                    raise

    def _make(self, trial: "optuna.Trial") -> None:
        if OWN in trial.user_attrs:
            settings = dict(self.own or {})
        else:
            settings = {name: tried.rounded(trial.params[name]) for name, tried in self.space.items()}
        start = time.perf_counter()
        try:
            state, values, users, reason = self._outcome(trial, settings)
        except BaseException:
            with self.lock:
                self.study.drop(trial.number)
            raise
        merits = [metric.merit(values[metric.name]) for metric in self.validation.metrics] if values else []
        seconds = time.perf_counter() - start
        with self.lock:
            if users is not None:
                self._users_file(settings).parent.mkdir(exist_ok=True)
                np.save(self._users_file(settings), users, allow_pickle=False)
            self.study.tell(trial, state, merits, settings=settings, values=values, seconds=seconds, reason=reason)
            if users is not None:
                self._compare()

    def _outcome(
        self, trial: "optuna.Trial", settings: Mapping[str, Any]
    ) -> tuple[State, dict[str, float], NDArray[np.float64] | None, str]:
        """State, values, per-user values of the first metric, reason."""
        with self.lock:
            twin = next((t for t in self.study.trials() if t.settings == settings and t.state != "failed"), None)
        if twin is not None:
            return twin.state, dict(twin.values), None, f"the settings of trial {twin.number}"
        may_end = len(self.validation.metrics) == 1
        watcher = Watcher(trial, self.stop, lambda: self.best_users, may_end=may_end)
        try:
            strategy = StrategyConfig(strategy=self.entry.strategy, settings={**self.entry.settings, **settings}).make()
            strategy.fit(self.validation.split.train, watcher)
            values, users = self.validation.judge(strategy, watcher.users)
        except Hopeless as end:
            return "pruned", {}, None, str(end)
        except (ExtraError, MissingError):
            raise
        except (RecloopError, MemoryError, np.linalg.LinAlgError) as error:
            return "failed", {}, None, str(error) or type(error).__name__
        for name, value in values.items():
            if not np.isfinite(value):
                return "failed", {}, None, f"{name} is defined for no user"
        return "complete", values, users, ""

    # ---- the best so far

    def _best(self) -> Trial | None:
        first = self.validation.metrics[0]
        complete = [trial for trial in self.study.trials() if trial.state == "complete"]
        return max(complete, key=lambda trial: first.merit(trial.values[first.name]), default=None)

    def _compare(self) -> None:
        """Note a new best, and forget what users gave in trials that are neither the best nor the plan's own."""
        best = self._best()
        assert best is not None
        if self.best is None or best.number != self.best.number:
            first = self.validation.metrics[0].name
            self.progress.note(f"best so far: {first} {best.values[first]:.4f} with {said(best.settings)}")
            self.best, self.best_users = best, self._users(best.settings)
        kept = {self._users_file(settings) for settings in (best.settings, self.own) if settings is not None}
        for path in self._users_file({}).parent.glob("*.npy"):
            if path not in kept:
                path.unlink()

    def _users_file(self, settings: Mapping[str, Any]) -> Path:
        name = sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()[:16]
        return self.folder / USERS / f"{name}.npy"

    def _users(self, settings: Mapping[str, Any]) -> NDArray[np.float64] | None:
        """What each user gave under these settings, where that was kept and is whole."""
        try:
            values: NDArray[np.float64] = np.load(self._users_file(settings), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return values if values.shape == (len(self.validation.split),) else None

    def found(self, *, stopped: bool) -> Tuning | None:
        """What came out so far; None where no trial is complete."""
        best = self._best()
        if best is None:
            return None
        trials, metrics = self.study.trials(), self.validation.metrics
        complete = [trial for trial in trials if trial.state == "complete"]
        complete = [trial for trial in complete if not trial.reason]  # the same settings count once
        merits = np.array([[metric.merit(trial.values[metric.name]) for metric in metrics] for trial in complete])
        order = np.argsort(-merits[:, 0], kind="stable")
        unbeaten = front(merits)
        own = next((trial for trial in complete if trial.own), None)
        return Tuning(
            name=self.name,
            entry=self.entry,
            given=self.given,
            folder=self.folder,
            metrics=metrics,
            space=self.space,
            trials=trials,
            best=best,
            front=tuple(complete[place] for place in order if unbeaten[place]) if len(metrics) > 1 else (best,),
            own=own,
            gain=self._gain(best, own),
            influence=self.study.influence(),
            validation=self.validation.sentence,
            stopped=stopped,
        )

    def _gain(self, best: Trial, own: Trial | None) -> Effect | None:
        if own is None or own.number == best.number:
            return None
        new, old = self._users(best.settings), self._users(own.settings)
        if new is None or old is None:
            return None
        with suppress(DataError):  # fewer than two users have both
            return paired(new, old)
        return None
