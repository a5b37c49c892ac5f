"""One search on disk: Optuna's journal, which goes on where it was left, whatever happened to the process."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from recloop.errors import ArtifactError, ExtraError
from recloop.loop.space import Range, Space, whole
from recloop.neural.extra import require_lm
from recloop.strategies import Strategy

if TYPE_CHECKING:
    import optuna

FILE = "study.log"
OWN, ENDED = "own", "ended"  # what is noted with a trial: that it has the plan's settings; how it ended
POPULATION = 10  # of NSGA-II: a search of 30 trials sees three generations
SPREAD = 2.0  # distribution index of polynomial mutation: the smaller, the farther from the parent
DEAR = 10  # trials at random before Gaussian processes follow
State = Literal["complete", "pruned", "failed"]
Sampler = Literal["", "nsga2", "gp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Some settings, and what they were worth.

    Attributes:
        number: from 1, in the order in which trials began.
        state: "complete"; "pruned": stopped early, as hopeless; "failed": the settings cannot be trained.
        settings: those that are searched.
        values: metric → value on the validation users; empty unless complete.
        seconds: wall time of training and judging.
        own: whether these are the plan's own settings.
        reason: why it is not complete, or which trial had the same settings before.
    """

    number: int
    state: State
    settings: Mapping[str, Any]
    values: Mapping[str, float]
    seconds: float
    own: bool = False
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "number": self.number,
            "state": self.state,
            "settings": dict(self.settings),
            "values": dict(self.values),
            "seconds": round(self.seconds, 3),
            "own": self.own,
            "reason": self.reason,
        }


class Study:
    """The trials of one search in a folder. Only one process may have it open.

    A trial depends on the seed, on how many began before it and on their values: so a search that was interrupted makes
    the same trials as one that was not. One objective is searched by a tree of Parzen estimators (Bergstra et al. 2011,
    "Algorithms for hyper-parameter optimization"; multivariate as in Falkner et al. 2018), several by NSGA-II (Deb et
    al. 2002) with uniform crossover and polynomial mutation, in small generations: on standard problems that did best
    with few evaluations (``benchmarks/compose_pareto.py``).

    Args:
        folder: is made where it is missing.
        kind: whose settings are searched; None where they are numbers of something else.
        space: what may be tried.
        objectives: how many numbers a trial gives; all are to be high.
        seed: of the search.
        sampler: ``nsga2``, or ``gp`` where a trial is dear: Gaussian processes with the expected improvement of the
            hypervolume (Ament et al. 2023, "Unexpected improvements to expected improvement"); needs torch. "" for
            what the number of objectives asks for.
        population: of NSGA-II.

    Raises:
        ExtraError: Optuna, or what the sampler needs, is not installed.
        ArtifactError: the folder holds a damaged search.
    """

    def __init__(
        self,
        folder: Path,
        kind: type[Strategy] | None,
        space: Space,
        objectives: int,
        seed: int,
        *,
        sampler: Sampler = "",
        population: int = POPULATION,
    ) -> None:
        optuna = need_optuna()
        if sampler == "gp":
            require_lm("the sampler 'gp'")
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self._seed, self._several = optuna, seed, objectives > 1
        self._kind_of_sampler, self._population = sampler, population
        self._distributions = _distributions(kind, space)
        path = folder / FILE
        _mend(path)
        path.with_name(f"{FILE}.lock").unlink(missing_ok=True)  # of a process that was killed while it wrote
        try:
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path)))),
                study_name=folder.name,
                directions=["maximize"] * objectives,
                # median stopping: Golovin et al. 2017, "Google Vizier", section 3.2.2
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
                load_if_exists=True,
            )
        except (ValueError, KeyError, AssertionError) as error:
            raise ArtifactError(
                f"{path} holds no readable search ({error})", advice="remove it, and search again"
            ) from error
        for trial in self._study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            self.drop(trial.number)

    @property
    def begun(self) -> int:
        """Trials that count: finished or under way, without those that were interrupted."""
        return len(self._begun())

    def _begun(self) -> list["optuna.trial.FrozenTrial"]:
        state = self._optuna.trial.TrialState
        return [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state in {state.RUNNING, state.COMPLETE, state.PRUNED}
            or (trial.state == state.FAIL and trial.user_attrs.get(ENDED, {}).get("state") == "failed")
        ]

    def ask(self, own: Mapping[str, Any] | None, first: Sequence[Mapping[str, Any]] = ()) -> "optuna.Trial":
        """The next trial.

        Args:
            own: the plan's settings, which are tried first; None where they lie outside the space.
            first: settings that are tried next, before the search draws its own.
        """
        begun = self.begun
        state = self._optuna.trial.TrialState
        if not begun and not self._study.get_trials(states=[state.WAITING]):
            if own is not None:
                self._study.enqueue_trial(dict(own), user_attrs={OWN: True})
            for settings in first:
                self._study.enqueue_trial(dict(settings))
        self._study.sampler = self._sampler(begun)
        return self._study.ask(self._distributions)

    def _sampler(self, begun: int) -> "optuna.samplers.BaseSampler":
        seed = int(np.random.SeedSequence(self._seed, spawn_key=(begun,)).generate_state(1)[0])
        samplers = self._optuna.samplers
        if self._kind_of_sampler == "gp":
            with _quiet():
                return samplers.GPSampler(seed=seed, n_startup_trials=DEAR, deterministic_objective=True)
        if self._several or self._kind_of_sampler == "nsga2":
            with _quiet():
                return samplers.NSGAIISampler(
                    population_size=self._population,
                    mutation=samplers.nsgaii.PolynomialMutation(eta=SPREAD),
                    seed=seed,
                )
        with _quiet():
            return samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)

    def tell(
        self, trial: "optuna.Trial", state: State, merits: Sequence[float], *, short: Sequence[float] = (), **said: Any
    ) -> None:
        """Keep how a trial ended.

        Args:
            trial: from ``ask``.
            state: how it ended.
            merits: one for each objective, higher is better; of complete trials.
            short: by how much it falls short of each thing that must be kept, 0 where it keeps it; of complete trials.
                One that keeps all is better than any that does not, and of two that do not the one that falls less
                short (Deb et al. 2002, section VI).
            said: settings, values, seconds and reason, see ``Trial``.
        """
        trial.set_user_attr(ENDED, {"state": state, **said})
        for at, missing in enumerate(short):
            trial.set_constraint(str(at), missing)
        states = self._optuna.trial.TrialState
        ended = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[state]
        self._study.tell(trial, list(merits) if state == "complete" else None, state=ended)

    def drop(self, number: int) -> None:
        """Forget a trial that was interrupted: it will be tried again."""
        self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)

    def trials(self) -> tuple[Trial, ...]:
        """Those that ended."""
        return tuple(
            Trial(number=number, own=OWN in trial.user_attrs, **trial.user_attrs[ENDED])
            for number, trial in enumerate(self._begun(), start=1)
            if trial.state.is_finished()
        )

    def influence(self) -> dict[str, float]:
        """How much of what parts the best tenth of the trials from the rest lies in each setting; adds to 1.

        PED-ANOVA (Watanabe, Bansal & Hutter 2023, "PED-ANOVA: efficiently quantifying hyperparameter importance in
        arbitrary subspaces"). Empty where there are too few trials, or one setting only.
        """
        complete = self._study.get_trials(deepcopy=False, states=[self._optuna.trial.TrialState.COMPLETE])
        if len(self._distributions) < 2 or len(complete) < 2 * POPULATION:
            return {}
        with _quiet():
            found = self._optuna.importance.get_param_importances(
                self._study,
                evaluator=self._optuna.importance.PedAnovaImportanceEvaluator(),
                target=(lambda trial: -trial.values[0]) if self._several else None,
            )
        return {name: float(value) for name, value in found.items()}


def need_optuna() -> Any:
    """Optuna.

    Raises:
        ExtraError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ExtraError.of("recloop tune", "tune") from error
    return optuna


def _distributions(kind: type[Strategy] | None, space: Space) -> dict[str, "optuna.distributions.BaseDistribution"]:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, tried in space.items():
        if not isinstance(tried, Range):
            found[name] = CategoricalDistribution(tried.values)
        elif kind is not None and whole(kind, name):
            found[name] = IntDistribution(int(tried.low), int(tried.high), log=tried.log)
        else:
            found[name] = FloatDistribution(float(tried.low), float(tried.high), log=tried.log)
    return found


def _mend(path: Path) -> None:
    """Cut off a line that was not written to its end: the machine stopped meanwhile."""
    if path.exists():
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's remarks on what it calls experimental."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
