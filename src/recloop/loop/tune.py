"""The search for better settings of a strategy, judged on validation users only."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recloop import __version__
from recloop.data.dataset import Dataset
from recloop.errors import DataError, ExtraError, MissingError, RecloopError, SettingError, nearest
from recloop.evaluate.pareto import front
from recloop.loop.folder import only_one
from recloop.loop.plan import CONTROLS, LAST_WEEK, Plan, StrategyConfig, child_seed
from recloop.loop.run import not_fed
from recloop.loop.space import Space, declared_space
from recloop.loop.study import OWN, State, Study, Trial
from recloop.loop.tuning import Tuning, said
from recloop.loop.validation import Validation
from recloop.metrics import Metric
from recloop.progress import SILENT, Progress
from recloop.stats import Effect, paired
from recloop.strategies import available

if TYPE_CHECKING:
    import optuna

USERS = "users"  # the folder of per-user values, of the plan's settings and of the best
RACE = 0.01  # error rate at which a trial that is behind the best after some users is ended
FIRST_BLOCK = 10**6  # in the journal, what blocks of users gave stands behind what rounds of training gave


def searched(plan: Plan, dataset: Dataset, names: Sequence[str]) -> dict[str, Space]:
    """Which strategies are searched, and where.

    Args:
        plan: its ``[tune]`` comes before what strategies declare.
        dataset: strategies that it cannot feed are not searched unless they are named.
        names: strategies of the plan. None: those with a table ``[tune.<name>]``; where the plan has no such table, all
            but the controls that declare something.

    Raises:
        SettingError: a name is no strategy of the plan, or has nothing to search.
    """
    for name in names:
        if name not in plan.strategies:
            raise SettingError(f"the plan has no strategy '{name}'", advice=nearest(name, plan.strategies))
    controls = {*CONTROLS, *LAST_WEEK, *not_fed(plan, dataset)}
    wanted = list(names or plan.tune or [name for name in plan.strategies if name not in controls])
    spaces = {
        name: plan.tune.get(name) or declared_space(available()[plan.strategies[name].strategy]) for name in wanted
    }
    for name in names:
        if not spaces[name]:
            raise SettingError(
                f"strategy '{name}' declares nothing to search", advice=f"say what to try in the plan: [tune.{name}]"
            )
    spaces = {name: space for name, space in spaces.items() if space}
    if not spaces:
        raise SettingError("no strategy of the plan declares anything to search", advice="name one with --strategy")
    return spaces


def tune(
    plan: Plan,
    name: str,
    space: Space,
    validation: Validation,
    *,
    fingerprint: str,
    folder: Path,
    trials: int = 30,
    timeout: float | None = None,
    jobs: int = 1,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.monotonic,
) -> Tuning:
    """Search the settings of one strategy of a plan.

    The search is kept in a folder of its own, named by what it hangs on (strategy, settings, space, metrics, split,
    data, seed, version). Called again, it goes on where it was, however it ended; a trial that was interrupted is tried
    again. With one job the same seed gives the same trials.

    A trial may end early: after some users, where a t-test over them says that it is behind the best so far (a race in
    blocks: Moore & Lee 1994, "Efficient algorithms for minimizing cross validation error"); and while it trains, where
    the strategy tells ``progress.validated`` and the value is below the median of the earlier trials in that round.
    With several objectives none ends early.

    Args:
        plan: the strategy, its settings, the seed.
        name: of the strategy in the plan.
        space: what may be tried.
        validation: what trials are judged by.
        fingerprint: of the data.
        folder: the folder of all searches.
        trials: how many to make in all, those of earlier calls included.
        timeout: seconds after which no trial begins.
        jobs: trials at a time, as threads.
        progress: shows how far it has come, and the best so far.
        clock: seconds.

    Raises:
        SettingError: a metric cannot judge this strategy.
        ConflictError: another process is at the same search.
        DataError: no trial could be trained.
        ExtraError: Optuna, or a package of the strategy, is not installed.
        ArtifactError: what was kept of the search is damaged.
    """
    entry = plan.strategies[name]
    kind = available()[entry.strategy]
    validation.check(kind)
    place = folder / f"{name}-{_key(plan, name, space, validation.metrics, fingerprint)[:8]}"
    with only_one(place, "another search"):
        study = Study(place, kind, space, len(validation.metrics), child_seed(plan.run.seed, f"tune {name}"))
        search = _Search(plan, name, space, validation, study, place, progress)
        stopped = False
        try:
            search.run(trials, timeout, jobs, clock)
        except KeyboardInterrupt:
            stopped = True
        found = search.found(stopped=stopped)
        if found is not None:
            return found
        if stopped:
            raise KeyboardInterrupt
        raise _nothing(name, study.trials())


def _key(plan: Plan, name: str, space: Space, metrics: Sequence[Metric], fingerprint: str) -> str:
    hangs_on = {
        "strategy": plan.strategies[name].strategy,
        "settings": plan.strategies[name].make().config(),
        "space": {setting: tried.to_dict() for setting, tried in space.items()},
        "metrics": [metric.name for metric in metrics],
        "split": {key: str(value) for key, value in sorted(plan.split.items())},
        "seed": plan.run.seed,
        "data": fingerprint,
        "recloop": __version__,
    }
    return sha256(json.dumps(hangs_on, sort_keys=True).encode()).hexdigest()


def _nothing(name: str, trials: Sequence[Trial]) -> RecloopError:
    failed = [trial for trial in trials if trial.state == "failed"]
    if not failed:
        return SettingError(f"no trial of '{name}' was finished", advice="give it more time: --timeout 1h")
    return DataError(
        f"none of the {len(failed)} trials of '{name}' could be trained. The first, with "
        f"{said(failed[0].settings)}: {failed[0].reason}",
        advice="search elsewhere: [tune." + name + "]",
    )


class _Search:
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
        watcher = _Watcher(self, trial)
        try:
            strategy = StrategyConfig(strategy=self.entry.strategy, settings={**self.entry.settings, **settings}).make()
            strategy.fit(self.validation.split.train, watcher)
            values, users = self.validation.judge(strategy, watcher.users)
        except _Hopeless as end:
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


class _Hopeless(Exception):  # noqa: N818
    """A trial that need not be finished."""


class _Stopped(Exception):  # noqa: N818
    """The search ends; the trial will be tried again."""


class _Watcher:
    """Follows one trial while it trains and is judged, and ends it when it is hopeless or the search ends."""

    def __init__(self, search: _Search, trial: "optuna.Trial") -> None:
        self.search, self.trial, self.round = search, trial, 0
        self.may_end = len(search.validation.metrics) == 1

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:  # noqa: ARG002
        """Work inside a trial has no bar of its own."""
        yield self._sign_of_life

    def note(self, text: str) -> None:
        """Said by every trial alike: not passed on."""

    def validated(self, value: float) -> None:
        """One more round of training."""
        self._sign_of_life()
        if self.may_end and np.isfinite(value):
            self.trial.report(value, self.round)
            if self.trial.should_prune():
                raise _Hopeless(f"below the median of earlier trials after round {self.round + 1} of training")
        self.round += 1

    def users(self, values: NDArray[np.float64]) -> None:
        """One more block of users is judged: the race against the best so far."""
        self._sign_of_life()
        best = self.search.best_users
        if not self.may_end or best is None:
            return
        self.trial.report(float(np.nanmean(values)), FIRST_BLOCK + len(values))
        with suppress(DataError):  # fewer than two users have both
            if paired(values, best[: len(values)], RACE).high < 0:
                raise _Hopeless(f"clearly behind the best after {len(values):,} users")

    def _sign_of_life(self, amount: float = 0) -> None:  # noqa: ARG002
        if self.search.stop.is_set():
            raise _Stopped
