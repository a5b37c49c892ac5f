"""A decision carried out: read, decided, written down with the data that it rests on, and, where allowed, acted on."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from recloop.app.readout import Sentiment, read_trial
from recloop.errors import ConflictError
from recloop.experiments import Action, LogEntry, act
from recloop.experiments.designs import is_interleaving
from recloop.loop.gate import NO_GATE, GateConfig, gate, group_check
from recloop.loop.promote import promote_policy
from recloop.loop.release import load
from recloop.report.report import Trial
from recloop.store import Store
from recloop.store.experiments import STOPPED


class Decided(NamedTuple):
    """What was read and decided, the line of the log, and whether anything was done about it."""

    trial: Trial
    entry: LogEntry
    applied: bool


def decide_experiment(
    store: Store,
    name: str,
    now: float,
    *,
    actor: str,
    apply: bool = False,
    sentiment: Sentiment | None = None,
    users: pl.DataFrame | None = None,
    rules: GateConfig = NO_GATE,
) -> Decided:
    """Read an experiment out, decide by its rule, and add a line to its decision log.

    With ``apply``, harm stops it where its definition says ``auto_stop``, and a winner gets all users, and stops it,
    where it says ``auto_promote``. The winner is promoted before the experiment stops, so a decision that was cut off
    in between is finished by the next one. What has stopped is left alone: whoever rolled a
    winner back has the last word.

    Args:
        store: where the experiment, its data and the releases are.
        name: of the experiment.
        now: seconds since 1970.
        actor: who or what decides.
        apply: whether to act.
        sentiment: texts to numbers in [-1, 1], for comments; None leaves them unread.
        users: what is known of users from before the start, see ``read_trial``.
        rules: what a winner must show of groups of users before it is promoted; else it waits for a person.

    Raises:
        MissingError: there is no such experiment.
        ConflictError: it is a draft or an interleaving test, or there is a winner and no active release.
        ArtifactError: the release to promote is damaged; nothing changed.
    """
    _decides(store, name)
    active = store.releases.active()
    shown = load(Path(active.path)) if active else None
    trial = read_trial(store, name, now, shown=shown, sentiment=sentiment, users=users, rules=rules)
    experiment = trial.experiment
    action = None
    if apply and store.experiments.get(name).state == STOPPED:
        action = Action("none", "It has stopped already.")
    elif apply:
        action = act(experiment, trial.verdict, promote=experiment.auto_promote, stop=experiment.auto_stop)
    if action is not None and action.kind == "promote":
        fair = trial.experience.fairness if trial.experience else None
        opened = gate(trial.verdict.verdict, [group_check(fair, rules)])
        action = action if opened.open else Action("none", opened.sentences[-1])
    applied = action is not None and action.kind != "none"
    if action is not None and action.kind == "promote":
        if shown is None:
            raise ConflictError("no release is active, so no policy can be put in charge")
        promote_policy(store, shown.folder, action.policy, actor=actor)
    entry = LogEntry.of(trial.readout, trial.verdict, actor, action)
    store.experiments.decide(name, entry.to_dict(), stop=applied, actor=actor)
    return Decided(trial, entry, applied)


def decision_log(store: Store, name: str) -> list[LogEntry]:
    """Every decision on an experiment, oldest first.

    Raises:
        MissingError: there is no such experiment.
        ConflictError: it is an interleaving test.
    """
    _decides(store, name)
    return [LogEntry.parse(entry) for entry in store.experiments.decisions(name)]


def _decides(store: Store, name: str) -> None:
    if is_interleaving(store.experiments.get(name).definition):
        raise ConflictError(
            f"'{name}' is an interleaving test",
            allowed="it says what users prefer, and ships nothing",
            advice=f"read it out: recloop experiments readout {name}",
        )
