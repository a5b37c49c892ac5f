import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recloop.app.assignment import Running, assigning
from recloop.app.decision import decision_log
from recloop.app.engine import Engine, unassigned
from recloop.app.holdout import holdout_in_force, read_launches
from recloop.app.interleaving import interleaved, read_interleaving
from recloop.app.ramp import follow_ramp, is_due
from recloop.app.readout import Sentiment, read_trial
from recloop.app.servable import Servable
from recloop.errors import ConflictError, SettingError, nearest
from recloop.experiments import Experiment, Holdout, LogEntry, NextStep, Readout, Verdict, designs, placed
from recloop.experiments.definition import NONE
from recloop.experiments.holdout import HoldoutReadout
from recloop.experiments.interleaving import Interleaving, InterleavingReadout, PreferenceVerdict
from recloop.report.report import Trial
from recloop.store import Store
from recloop.store.experiments import RUNNING, ExperimentRecord

_log = logging.getLogger("recloop.experiments")


class Experiments:
    """Create, start, revise and stop experiments, and have the engine assign requests to those that run.

    Args:
        store: definitions and states.
        engine: what answers.
        clock: seconds since 1970.
        sentiment: (n,) texts to (n,) numbers in [-1, 1], for comments; None leaves them unread.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.time,
        sentiment: Sentiment | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self.sentiment = sentiment
        self._assigned: tuple[list[tuple[str, int]], Holdout | None] = ([], None)

    def all(self) -> list[ExperimentRecord]:
        """Every experiment, oldest first."""
        return self._store.experiments.all()

    def create(self, definition: Mapping[str, Any], *, actor: str = "") -> ExperimentRecord:
        """Keep a definition as a draft.

        Raises:
            SettingError: it is not valid.
            ConflictError: the name is taken.
        """
        return create_experiment(self._store, definition, actor=actor)

    def revise(self, name: str, changes: Mapping[str, Any], *, actor: str = "") -> ExperimentRecord:
        """The next version of an experiment, as a draft: see ``revise_experiment``."""
        return revise_experiment(self._store, name, changes, actor=actor)

    def start(self, name: str, *, actor: str = "") -> ExperimentRecord:
        """Assign requests from now on: see ``start_experiment``."""
        record = start_experiment(self._store, name, self._engine.release, now=self._clock(), actor=actor)
        self.follow()
        return record

    def stop(self, name: str, *, actor: str = "") -> ExperimentRecord:
        """Serve the default policy to its users from now on.

        Raises:
            MissingError: there is none of that name.
            ConflictError: it does not run.
        """
        record = self._store.experiments.stop(name, actor=actor)
        self.follow()
        return record

    def step(self, name: str, *, actor: str = "") -> NextStep:
        """Move an experiment on its ramp if it is time: see ``follow_ramp``."""
        moved = follow_ramp(
            self._store, name, self._clock(), shown=self._engine.release, sentiment=self.sentiment, actor=actor
        )
        self.follow()
        return moved

    def follow_ramps(self) -> None:
        """Move every experiment on of which a step of the ramp is over."""
        for record in running(self._store):
            if is_due(record, self._clock()):
                try:
                    moved = self.step(record.name, actor="recloop serve")
                except ConflictError:  # another process was faster
                    continue
                if moved.move != "stay":
                    _log.warning("experiment '%s': %s. %s", record.name, moved.move, moved.sentence)

    def read_out(self, name: str) -> tuple[Readout, Verdict] | tuple[InterleavingReadout, PreferenceVerdict]:
        """What an experiment shows so far, and the decision that its rule makes of it.

        Raises:
            MissingError: there is none of that name.
        """
        if designs.is_interleaving(self._store.experiments.get(name).definition):
            told = read_interleaving(self._store, name, self._clock())
            return told, told.verdict
        trial = self.trial(name, whole=False)
        return trial.readout, trial.verdict

    def trial(self, name: str, *, whole: bool = True) -> Trial:
        """An experiment on variants with its numbers, its verdict and what users went through: see ``read_trial``."""
        shown = self._engine.release
        return read_trial(self._store, name, self._clock(), shown=shown, sentiment=self.sentiment, whole=whole)

    def is_interleaving(self, name: str) -> bool:
        """Whether an experiment mixes rankings in each slate."""
        return designs.is_interleaving(self._store.experiments.get(name).definition)

    def read_holdout(self, name: str, *, since: float | None = None, primary: str = "") -> HoldoutReadout:
        """The users that an experiment holds out against everybody else: see ``read_launches``."""
        shown = self._engine.release
        return read_launches(
            self._store,
            name,
            self._clock(),
            since=since,
            primary=primary,
            shown=shown,
            sentiment=self.sentiment,
        )

    def log(self, name: str) -> list[LogEntry]:
        """Every decision on an experiment, oldest first: see ``decision_log``."""
        return decision_log(self._store, name)

    def follow(self) -> None:
        """Have the engine assign requests to the experiments that run in the store, whoever started them."""
        records = running(self._store)
        holdout = holdout_in_force(self._store)
        now = ([(record.name, record.step) for record in records], holdout)
        if now != self._assigned:
            found = [(designs.parse(record.definition), record.step) for record in records]
            mixed = [one for one, _ in found if isinstance(one, Interleaving)]
            live = [Running(one, step) for one, step in found if isinstance(one, Experiment)]
            self._engine.interleave(mixed)
            self._engine.run_experiment(
                interleaved(mixed[0], holdout)
                if mixed
                else assigning(live, holdout)
                if live or holdout
                else unassigned  # it runs alone
            )
            self._assigned = now


def running(store: Store) -> list[ExperimentRecord]:
    """The experiments that run, oldest first."""
    return [record for record in store.experiments.all() if record.state == RUNNING]


def create_experiment(store: Store, definition: Mapping[str, Any], *, actor: str = "") -> ExperimentRecord:
    """Keep a definition as a draft.

    Raises:
        SettingError: it is not valid.
        ConflictError: the name is taken.
    """
    experiment = designs.parse(definition)
    return store.experiments.add(experiment.id, experiment.to_dict(), actor=actor)


def revise_experiment(store: Store, name: str, changes: Mapping[str, Any], *, actor: str = "") -> ExperimentRecord:
    """The next version of an experiment, as a draft of its own; what it was stays as it is.

    Args:
        store: where it is.
        name: of any version; the newest one is the one that changes.
        changes: settings and their new values.
        actor: who asks.

    Raises:
        MissingError: there is none of that name.
        SettingError: a change is not allowed, or nothing changes.
    """
    given = designs.parse(store.experiments.get(name).definition)
    versions = [designs.parse(record.definition) for record in store.experiments.all()]
    newest = max((one for one in versions if one.name == given.name), key=lambda one: one.version)
    revised = newest.revised(**changes)
    before, after = newest.to_dict(), revised.to_dict()
    changed = [key for key in after if key not in {"version", "offset"} and before[key] != after[key]]
    if not changed:
        raise SettingError(f"nothing of '{newest.id}' changes", advice="give at least one setting another value")
    detail = f"of {newest.id}: " + ", ".join(f"{key} {before[key]} -> {after[key]}" for key in changed)
    return store.experiments.add(revised.id, after, actor=actor, action="revise", detail=detail)


def start_experiment(
    store: Store, name: str, release: Servable | None, *, now: float | None = None, actor: str = ""
) -> ExperimentRecord:
    """Have a draft run, whoever asks: a service that follows the store assigns its requests from now on.

    Args:
        store: where the draft is.
        name: of the draft.
        release: the active one, which must have the policies; None where there is none yet.
        now: seconds since 1970; the clock's where None.
        actor: who asks.

    Raises:
        MissingError: there is none of that name.
        ConflictError: it is not a draft, is over already, or cannot run beside the others.
        SettingError: the release has no policy of a name that a variant gives.
    """
    experiment = designs.parse(store.experiments.get(name).definition)
    for who, policy in designs.policies(experiment).items():
        if release is not None and policy not in {NONE, *release.policies}:
            raise SettingError(
                f"{who} wants the policy '{policy}', which release '{release.name}' lacks",
                advice=nearest(policy, {NONE, *release.policies}),
            )
    now = time.time() if now is None else now
    if isinstance(experiment, Experiment) and experiment.ends and experiment.ends.timestamp() <= now:
        raise ConflictError(
            f"experiment '{name}' ends at {experiment.ends.isoformat()}, which is over", advice="revise it"
        )
    return store.experiments.start(name, _settle, actor=actor)


def _settle(definition: dict[str, Any], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    parsed, running = designs.parse(definition), [designs.parse(other) for other in others]
    splits = [one for one in running if isinstance(one, Experiment)]
    if isinstance(parsed, Interleaving) or len(splits) < len(running):
        if running:
            raise ConflictError(
                f"experiment '{running[0].id}' runs",
                allowed="an interleaving test runs alone, since it mixes the slates of everybody",
                advice=f"stop '{running[0].id}' first",
            )
        return definition
    return placed(parsed, splits).to_dict()
