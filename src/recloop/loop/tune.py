"""The search for better settings of a strategy, judged on validation users only."""

import json
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from recloop import __version__
from recloop.data.dataset import Dataset
from recloop.errors import DataError, RecloopError, SettingError, nearest
from recloop.loop.folder import only_one
from recloop.loop.plan import CONTROLS, LAST_WEEK, Plan, child_seed
from recloop.loop.run import not_fed
from recloop.loop.search import Search
from recloop.loop.space import Space, declared_space
from recloop.loop.study import Study, Trial
from recloop.loop.tuning import Tuning, said
from recloop.loop.validation import Validation
from recloop.metrics import Metric
from recloop.progress import SILENT, Progress
from recloop.strategies import available


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
        search = Search(plan, name, space, validation, study, place, progress)
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
