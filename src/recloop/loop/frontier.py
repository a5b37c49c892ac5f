"""The search for policies that no other beats on several aims at once."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from recloop import __version__
from recloop.compose import SlateConfig
from recloop.errors import RecloopError, SettingError
from recloop.evaluate import Guardrail
from recloop.loop.folder import only_one
from recloop.loop.knobs import Knobs
from recloop.loop.study import Sampler, Study, Trial
from recloop.progress import SILENT, Progress

WORST = 1e6  # by how much a policy can fall short of what must be kept: Gaussian processes know no infinity


class Aim(Protocol):
    """One thing that a policy is judged by: a ``Metric`` is one, and so is ``Plain``."""

    @property
    def name(self) -> str:
        """Its name in the judge's values."""
        ...

    def merit(self, value: float) -> float:
        """The value turned so that higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """An aim that is only a name and a direction: what a simulator, or anybody else, measures.

    >>> Plain("churn", higher=False).merit(0.2)
    -0.2
    """

    name: str
    higher: bool = True

    def merit(self, value: float) -> float:
        """See ``Aim``."""
        return value if self.higher else -value


Judge = Callable[[SlateConfig], Mapping[str, float]]
"""A policy → name of each aim → value: on held-out events, or in a simulation."""


@dataclass(frozen=True, eq=False)
class Searched:
    """What a search tried.

    Attributes:
        folder: where it is kept.
        trials: those that ended.
        stopped: whether Ctrl-C ended it.
    """

    folder: Path
    trials: tuple[Trial, ...]
    stopped: bool = False


def search(
    knobs: Knobs,
    aims: Sequence[Aim],
    judge: Judge,
    folder: Path,
    *,
    identity: Mapping[str, Any],
    guards: Sequence[Guardrail] = (),
    trials: int = 100,
    timeout: float | None = None,
    sampler: Sampler = "nsga2",
    seed: int = 0,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.monotonic,
) -> Searched:
    """Search the weights of sources and objectives by all aims at once; goes on where it was.

    First each source alone and all alike, then what the sampler draws. A policy that was tried before is not judged
    again. A policy that keeps the guardrails is better than any that does not.

    Args:
        knobs: what may be turned.
        aims: two or more; the first decides where one must.
        judge: what a policy is worth. The same policy must give the same values.
        folder: of all searches.
        identity: what the values hang on beside the policy (data, split, users): another search where it differs.
        guards: what policies must keep, on anything that the judge tells; relative ones against the single source that
            is best on the first aim.
        trials: to make in all, those of earlier calls included.
        timeout: seconds after which no trial begins.
        sampler: ``nsga2`` (Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm"), or ``gp`` where a
            trial is dear.
        seed: of the search.
        progress: shows how far it has come.
        clock: seconds.

    Raises:
        SettingError: there are fewer than two aims or nothing to turn, or no trial was finished.
        ConflictError: another process is at the same search.
        ExtraError: Optuna is not installed.
    """
    if len(aims) < 2:
        raise SettingError(
            f"{len(aims)} aim{'s' * (len(aims) != 1)} given", allowed="a front has two or more",
            advice="name another: --metric ndcg@10 --metric novelty@10",
        )  # fmt: skip
    if not knobs.space:
        raise SettingError("there is nothing to search", advice="name several strategies, or objectives to weigh")
    place = folder / f"compose-{_key(knobs, aims, identity, guards, sampler, seed)[:8]}"
    with only_one(place, "another search"):
        study = Study(place, None, knobs.space, len(aims), seed, sampler=sampler)
        told = Told(judge, tuple(dict.fromkeys([*(aim.name for aim in aims), *(guard.metric for guard in guards)])))
        told.remember(knobs, study.trials())
        ends = float("inf") if timeout is None else clock() + timeout
        stopped = False
        try:
            with progress.task("Search policies", total=trials) as advance:
                advance(min(trials, study.begun))
                today = _today(knobs, aims[0], told) if any(guard.relative for guard in guards) else {}
                while study.begun < trials and clock() < ends:
                    _try(study, knobs, aims, told, guards, today)
                    advance(1)
        except KeyboardInterrupt:
            stopped = True
        found = study.trials()
    if not any(trial.state == "complete" for trial in found):
        if stopped:
            raise KeyboardInterrupt
        reason = next((trial.reason for trial in found), "")
        raise SettingError(f"no trial was finished{f': {reason}' if reason else ''}", advice="give it more time")
    return Searched(place, found, stopped)


class Told:
    """What a judge told of each policy, so that it is asked once.

    Args:
        judge: that is asked.
        names: what it must tell.
    """

    def __init__(self, judge: Judge, names: Sequence[str]) -> None:
        self._judge, self._names = judge, names
        self._known: dict[str, tuple[dict[str, float], int]] = {}

    def remember(self, knobs: Knobs, trials: Sequence[Trial]) -> None:
        """Take over what complete trials told."""
        for trial in trials:
            if trial.state == "complete":
                self._known.setdefault(_named(knobs.policy(trial.settings)), (dict(trial.values), trial.number))

    def of(self, policy: SlateConfig, trial: int = 0) -> tuple[dict[str, float], int]:
        """The values of a policy, and the number of the trial that had them first; 0 where this is the first."""
        key = _named(policy)
        if key not in self._known:
            told = self._judge(policy)
            self._known[key] = ({name: float(told[name]) for name in self._names}, trial)
            return self._known[key][0], 0
        values, first = self._known[key]
        if not first:
            self._known[key] = (values, trial)
        return values, first


def _named(policy: SlateConfig) -> str:
    return json.dumps(msgspec.to_builtins(policy), sort_keys=True)


def _today(knobs: Knobs, first: Aim, told: Told) -> Mapping[str, float]:
    """What the single source gives that is best on the first aim; nothing where none can be judged."""
    best: Mapping[str, float] = {}
    for source in knobs.sources:
        try:
            values, _ = told.of(knobs.policy(knobs.alone(source)))
        except RecloopError:  # its own trial tells why
            continue
        if np.isfinite(values[first.name]) and (
            not best or first.merit(values[first.name]) > first.merit(best[first.name])
        ):
            best = values
    return best


def _try(
    study: Study, knobs: Knobs, aims: Sequence[Aim], told: Told, guards: Sequence[Guardrail], today: Mapping[str, float]
) -> None:
    trial = study.ask(None, knobs.first())
    settings = {name: tried.rounded(trial.params[name]) for name, tried in knobs.space.items()}
    start = time.perf_counter()
    try:
        values, twin = told.of(knobs.policy(settings), study.begun)
    except BaseException as error:
        if isinstance(error, RecloopError):
            study.tell(trial, "failed", [], settings=settings, values={}, seconds=0.0, reason=str(error))
            return
        study.drop(trial.number)
        raise
    seconds = time.perf_counter() - start
    if not all(np.isfinite(value) for value in values.values()):
        undefined = ", ".join(name for name, value in values.items() if not np.isfinite(value))
        study.tell(trial, "failed", [], settings=settings, values={}, seconds=seconds, reason=f"{undefined} undefined")
        return
    merits = [aim.merit(values[aim.name]) for aim in aims]
    short = [min(guard.short(values, today), WORST) for guard in guards]
    reason = f"the policy of trial {twin}" if twin else ""
    study.tell(trial, "complete", merits, short=short, settings=settings, values=values, seconds=seconds, reason=reason)


def _key(
    knobs: Knobs,
    aims: Sequence[Aim],
    identity: Mapping[str, Any],
    guards: Sequence[Guardrail],
    sampler: str,
    seed: int,
) -> str:
    hangs_on = {
        "base": msgspec.to_builtins(knobs.base),
        "space": {name: tried.to_dict() for name, tried in knobs.space.items()},
        "aims": [aim.name for aim in aims],
        "identity": dict(identity),
        "guards": [str(guard) for guard in guards],
        "sampler": sampler,
        "seed": seed,
        "recloop": __version__,
    }
    return sha256(json.dumps(hangs_on, sort_keys=True).encode()).hexdigest()
