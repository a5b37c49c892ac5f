"""Ramps, moved on by whoever looks first: the service, a command, a timer."""

import math

from recloop.app.item_facts import Shown
from recloop.app.readout import Sentiment, read_trial
from recloop.errors import ConflictError
from recloop.experiments import Experiment, NextStep, Ramping, next_step
from recloop.experiments.designs import is_interleaving
from recloop.experiments.steps import due
from recloop.store import Store
from recloop.store.experiments import RUNNING, ExperimentRecord


def follow_ramp(
    store: Store,
    name: str,
    now: float,
    *,
    shown: Shown | None = None,
    sentiment: Sentiment | None = None,
    actor: str = "",
) -> NextStep:
    """Widen or stop an experiment whose step of the ramp is over; say why where it stays.

    Args:
        store: decisions, events, and the experiment.
        name: of the experiment.
        now: seconds since 1970.
        shown: the release whose items were shown.
        sentiment: texts to numbers in [-1, 1].
        actor: who asks.

    Raises:
        MissingError: there is none of that name.
        ConflictError: it does not run, or somebody else moved it meanwhile.
    """
    record = store.experiments.get(name)
    if record.state != RUNNING:
        raise ConflictError(f"experiment '{name}' is {record.state}", allowed="only one that runs has a ramp to go on")
    if is_interleaving(record.definition):
        raise ConflictError(f"'{name}' is an interleaving test", allowed="it has no ramp")
    experiment = Experiment.parse(record.definition)
    readout = read_trial(store, name, now, shown=shown, sentiment=sentiment, whole=False).readout
    found = next_step(experiment, readout, now, _ramping(record))
    if found.move == "widen":
        store.experiments.widen(name, record.step, actor=actor, detail=found.sentence)
    elif found.move == "stop":
        store.experiments.stop(name, actor=actor, detail=found.sentence)
    return found


def is_due(record: ExperimentRecord, now: float) -> bool:
    """Whether a step of a running experiment's ramp is over, without reading it out."""
    if record.state != RUNNING or is_interleaving(record.definition):
        return False
    return now >= due(Experiment.parse(record.definition), _ramping(record)) < math.inf


def _ramping(record: ExperimentRecord) -> Ramping:
    return Ramping(record.step, record.stepped or record.started or 0.0)
