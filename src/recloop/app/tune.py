"""``recloop tune``: better settings for strategies of a plan, with a page, a snippet, and a new plan where asked."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recloop.data.check import check
from recloop.data.source import read
from recloop.errors import ConflictError, ExtraError, MissingError, SettingError
from recloop.loop.folder import write_whole
from recloop.loop.plan import MetricsConfig, Plan, read_plan
from recloop.loop.run import usable
from recloop.loop.study import need_optuna
from recloop.loop.toml import with_settings
from recloop.loop.tune import searched
from recloop.loop.tune import tune as tune_strategy
from recloop.loop.tuning import Tuning
from recloop.loop.validation import Validation
from recloop.progress import SILENT, Progress
from recloop.report.tuning import tuning_page

FOLDER = "tune"
FOUND, SNIPPET, PAGE = "tune.json", "settings.toml", "tune.html"


@dataclass(frozen=True)
class Tuned:
    """What was found for each strategy, those left out with the reason, and the plan written (None: none asked for)."""

    searches: tuple[Tuning, ...]
    left_out: Mapping[str, str]
    plan: Path | None

    @property
    def stopped(self) -> bool:
        """Whether Ctrl-C ended it."""
        return any(search.stopped for search in self.searches)


def tune(
    path: Path,
    *,
    strategies: Sequence[str] = (),
    metrics: Sequence[str] = (),
    trials: int = 30,
    timeout: float | None = None,
    jobs: int = 1,
    write: Path | None = None,
    replace: bool = False,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.time,
    command: str = "recloop tune",
) -> Tuned:
    """Search the settings of strategies of a plan on its validation split.

    Args:
        path: of the plan.
        strategies: names of the plan; see ``searched`` for what is taken where none is named.
        metrics: what trials are judged by; the plan's first metric where none is named. One without a cutoff gets the
            plan's first.
        trials: for each strategy, those of earlier calls included.
        timeout: seconds for each strategy after which no trial begins.
        jobs: trials at a time.
        write: a new plan with the settings found.
        replace: overwrite a plan that is there.
        progress: shows how far it has come.
        clock: seconds since 1970.
        command: that is shown on the page.

    Raises:
        SettingError: a name or a number is not allowed.
        MissingError: there is no such plan or data.
        DataError: the data cannot be used, or leaves no validation split.
        ConflictError: the plan to write exists, or the same search is under way in another process.
        ExtraError: Optuna is not installed.
    """
    plan = read_plan(path)
    need_optuna()
    for what, number in (("trials", trials), ("jobs", jobs)):
        if number < 1:
            raise SettingError(f"{what} is {number}", allowed="it must be at least 1")
    text = path.read_text(encoding="utf-8")
    judged_by = _metrics(plan, metrics)
    reading = read(plan.source, progress)
    judged_by, lowered = judged_by.within(reading.dataset.n_items)
    if lowered:
        progress.note(lowered)
    usable(check(reading, clock()))
    spaces = searched(plan, reading.dataset, strategies)
    if write is not None:
        _may_write(write, path, replace=replace)
        for name in spaces:  # fail before the search, not after it
            entry = plan.strategies[name]
            with_settings(text, name, entry.strategy, {key: entry.make().config()[key] for key in spaces[name]})
    validation = Validation.of(plan, reading.dataset, judged_by.metrics, progress)
    searches, left_out = [], {}
    for name, space in spaces.items():
        try:
            found = tune_strategy(
                plan,
                name,
                space,
                validation,
                fingerprint=reading.dataset.fingerprint,
                folder=plan.folder / FOLDER,
                trials=trials,
                timeout=timeout,
                jobs=jobs,
                progress=progress,
            )
        except (ExtraError, MissingError) as error:  # the packages, or the weights that it needs
            if strategies or plan.tune or plan.chosen:
                raise
            left_out[name] = str(error)
            continue
        plain = found.to_dict()
        write_whole(found.folder / FOUND, json.dumps(plain, indent=2, allow_nan=False))
        write_whole(found.folder / SNIPPET, found.toml)
        write_whole(found.folder / PAGE, tuning_page(plain, command, clock()))
        searches.append(found)
        if found.stopped:
            break
    if not searches:
        raise ExtraError("no strategy of the plan can be trained here", advice="; ".join(left_out.values()))
    done = Tuned(tuple(searches), left_out, None if write is None or searches[-1].stopped else write)
    if done.plan is not None:
        for found in searches:
            text = with_settings(text, found.name, found.entry.strategy, found.settings)
        write_whole(done.plan, text)
        read_plan(done.plan)
    return done


def _metrics(plan: Plan, names: Sequence[str]) -> MetricsConfig:
    wanted = MetricsConfig(k=plan.metrics.k[:1], names=list(names) or [plan.metrics.metrics[0].name])
    wanted.metrics  # noqa: B018 -- a misspelt one is refused before the data is read
    return wanted


def _may_write(write: Path, path: Path, *, replace: bool) -> None:
    if write.exists() and not replace:
        raise ConflictError(f"{write} is there already", advice="name another file, or add --force")
    if write.resolve().parent != path.resolve().parent:
        raise SettingError(
            f"{write} is in another folder than {path}",
            allowed="the paths in a plan start from its folder",
            advice=f"name a file in {path.resolve().parent}",
        )
