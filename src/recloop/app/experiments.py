import time
from collections.abc import Callable, Mapping
from typing import Any

from recloop.app.engine import Assign, Assignment, Engine, Servable, unassigned
from recloop.app.interleaving import interleaved, read_interleaving
from recloop.app.readout import Sentiment, read_trial
from recloop.errors import ConflictError, SettingError, nearest
from recloop.experiments import Experiment, Readout, Verdict, assign, designs
from recloop.experiments.interleaving import Interleaving, InterleavingReadout, PreferenceVerdict
from recloop.store import Store
from recloop.store.experiments import RUNNING, ExperimentRecord


class Experiments:
    """Create, start and stop experiments, and have the engine assign users to the one that runs.

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
        self._sentiment = sentiment
        self._assigned = ""

    def all(self) -> list[ExperimentRecord]:
        """Every experiment, oldest first."""
        return self._store.experiments.all()

    def running(self) -> ExperimentRecord | None:
        """The one that runs, None where none does."""
        return running(self._store)

    def create(self, definition: Mapping[str, Any], *, actor: str = "") -> ExperimentRecord:
        """Keep a definition as a draft.

        Raises:
            SettingError: it is not valid.
            ConflictError: the name is taken.
        """
        experiment = designs.parse(definition)
        return self._store.experiments.add(experiment.name, experiment.to_dict(), actor=actor)

    def start(self, name: str, *, actor: str = "") -> ExperimentRecord:
        """Assign users from now on.

        Raises:
            MissingError: there is none of that name.
            ConflictError: it is not a draft, or another one runs.
            SettingError: the active release has no policy of a name that a variant gives.
        """
        record = start_experiment(self._store, name, self._engine.release, actor=actor)
        self.follow()
        return record

    def stop(self, name: str, *, actor: str = "") -> ExperimentRecord:
        """Serve the default policy to everybody from now on.

        Raises:
            MissingError: there is none of that name.
            ConflictError: it does not run.
        """
        record = self._store.experiments.stop(name, actor=actor)
        self.follow()
        return record

    def read_out(self, name: str) -> tuple[Readout, Verdict] | tuple[InterleavingReadout, PreferenceVerdict]:
        """What an experiment shows so far, and the decision that its rule makes of it.

        Raises:
            MissingError: there is none of that name.
        """
        if designs.is_interleaving(self._store.experiments.get(name).definition):
            told = read_interleaving(self._store, name, self._clock())
            return told, told.verdict
        shown = self._engine.release
        trial = read_trial(self._store, name, self._clock(), shown=shown, sentiment=self._sentiment)
        return trial.readout, trial.verdict

    def follow(self) -> None:
        """Have the engine assign users to the experiment that runs in the store, whoever started it."""
        record = self.running()
        name = record.name if record else ""
        if name != self._assigned:
            running = designs.parse(record.definition) if record else None
            self._engine.interleave([running] if isinstance(running, Interleaving) else [])
            self._engine.run_experiment(assigning(running) if running else unassigned)
            self._assigned = name


def running(store: Store) -> ExperimentRecord | None:
    """The experiment that runs, None where none does."""
    return next((record for record in store.experiments.all() if record.state == RUNNING), None)


def start_experiment(store: Store, name: str, release: Servable | None, *, actor: str = "") -> ExperimentRecord:
    """Have a draft run, whoever asks: a service that follows the store assigns its users from now on.

    Args:
        store: where the draft is.
        name: of the draft.
        release: the active one, which must have the policies; None where there is none yet.
        actor: who asks.

    Raises:
        MissingError: there is none of that name.
        ConflictError: it is not a draft, or another one runs.
        SettingError: the release has no policy of a name that a variant gives.
    """
    experiment = designs.parse(store.experiments.get(name).definition)
    for who, policy in designs.policies(experiment).items():
        if release is not None and policy not in release.policies:
            raise SettingError(
                f"{who} wants the policy '{policy}', which release '{release.name}' lacks",
                advice=nearest(policy, release.policies),
            )
    other = running(store)
    if other is not None and other.name != name:
        raise ConflictError(
            f"experiment '{other.name}' runs", allowed="one runs at a time", advice=f"stop '{other.name}' first"
        )
    return store.experiments.start(name, actor=actor)


def assigning(experiment: Experiment | Interleaving) -> Assign:
    """The function that gives each user a variant and its policy."""
    if isinstance(experiment, Interleaving):
        return interleaved(experiment)

    def assignment(user: str) -> Assignment:
        variant = assign(experiment, user)
        return Assignment(experiment.name, variant, experiment.variants[variant].policy)

    return assignment
