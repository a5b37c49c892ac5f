"""``recloop compose tune``: the front of policies of a plan, with a page, pictures, snippets, and a new plan."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import msgspec

from recloop.compose import SlateConfig
from recloop.compose.objectives.catalogue import MODELLED, RELEVANCE
from recloop.data.check import check
from recloop.data.dataset import Dataset
from recloop.data.source import read
from recloop.errors import ConflictError, DataError, SettingError, nearest
from recloop.evaluate import Guardrail
from recloop.loop.composing import Composing
from recloop.loop.folder import write_whole
from recloop.loop.front_found import FrontFound, Pick, usual
from recloop.loop.frontier import search
from recloop.loop.guards import constraints_of, guarded, of_slates
from recloop.loop.knobs import Knobs
from recloop.loop.plan import MetricsConfig, Plan, child_seed, read_plan
from recloop.loop.policy_toml import arms_toml, policy_toml, with_policy
from recloop.loop.run import fit_strategies, not_fed, usable
from recloop.loop.study import Sampler, need_optuna
from recloop.loop.validation import Validation
from recloop.loop.vectors import item_vectors
from recloop.metrics import Metric
from recloop.progress import SILENT, Progress
from recloop.report.frontier import front_picture, frontier_page

FOLDER = "tune"
FRONT, TABLE, PICTURE, PAGE, ARMS = "front.json", "front.parquet", "front.svg", "front.html", "arms.toml"
AIMS = ("novelty", "diversity")  # beside the plan's first metric, where none is named
USUAL = ("click", "novelty", "diversity")
SHALLOW = 100  # candidates of each source while searching, where the plan says nothing


@dataclass(frozen=True)
class Composed:
    """What was found, what was left out with the reason, and the plan written (None: none asked for)."""

    found: FrontFound
    left_out: dict[str, str]
    plan: Path | None


def tune_policies(
    path: Path,
    *,
    metrics: Sequence[str] = (),
    sources: Sequence[str] = (),
    weigh: Sequence[str] = (),
    guards: Sequence[str] = (),
    trials: int = 100,
    timeout: float | None = None,
    sampler: Sampler = "nsga2",
    write: Path | None = None,
    take: str = "knee",
    overwrite: bool = False,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.time,
    command: str = "recloop compose tune",
) -> Composed:
    """Search policies over the strategies of a plan, by several metrics at once, on its validation split.

    Args:
        path: of the plan.
        metrics: two or more aims; the plan's first metric, novelty and diversity where none is named.
        sources: strategies that may be mixed; all of the plan but ``random`` where none is named.
        weigh: objectives that may be weighed; those of the plan's policy, else click, novelty and diversity.
        guards: what a point must keep to be recommended, such as ``ndcg@10>=98%``: a metric, an objective's mean or a
            share of exposure. The plan's constraints are kept, too. The search heeds all of them.
        trials: in all, those of earlier calls included.
        timeout: seconds after which no trial begins.
        sampler: ``nsga2`` or ``gp``.
        write: a new plan with the policy found.
        take: which point goes into it: accurate, knee or balanced.
        overwrite: replace a plan that is there.
        progress: shows how far it has come.
        clock: seconds since 1970.
        command: that is shown on the page.

    Raises:
        SettingError: a name or a number is not allowed.
        MissingError: there is no such plan or data.
        DataError: the data cannot be used, or leaves too few validation users.
        ConflictError: the plan to write exists, or the same search is under way.
        ExtraError: Optuna is not installed.
    """
    plan = read_plan(path)
    need_optuna()
    if trials < 1:
        raise SettingError(f"trials is {trials}", allowed="it must be at least 1")
    kept = [Guardrail.parse(words) for words in guards]
    constraints = constraints_of(plan)
    if write is not None:
        _may_write(write, path, overwrite=overwrite)
    reading = read(plan.source, progress)
    usable(check(reading, clock()))
    dataset = reading.dataset
    aims = _aims(plan, metrics, dataset)
    watched, judged = guarded([*kept, *constraints], aims)
    kept = [*(kept or [usual(aims[0])]), *constraints]
    left_out = not_fed(plan, dataset)
    validation = Validation.of(plan, dataset, judged, progress)
    fitted, _, left_out = fit_strategies(plan, validation.split.train, left_out, progress)
    mixed = tuple(sources) or tuple(name for name in fitted if plan.strategies[name].strategy != "random")
    for name in mixed:
        if name not in fitted:
            raise SettingError(f"'{name}' is no trained strategy of the plan", advice=nearest(name, fitted))
    vectors = item_vectors(fitted.values(), validation.split.train, progress).values
    knobs = Knobs(_base(plan), mixed, _weighed(plan, weigh), diverse=True)
    try:
        composing = Composing.of(plan, dataset, knobs, judged, vectors, fitted, validation, progress, watched=watched)
    except DataError as error:
        plain = tuple(name for name in knobs.objectives if name not in MODELLED)
        modelled = any(name in MODELLED for name in watched)
        if weigh or modelled or _base(plan).objectives is not None or plain == knobs.objectives:
            raise
        progress.note(f"Without objectives that need a model: {error.given}")
        knobs = replace(knobs, objectives=plain)
        composing = Composing.of(plan, dataset, knobs, judged, vectors, fitted, validation, progress, watched=watched)
    searched = search(
        knobs,
        aims,
        composing.judge,
        plan.folder / FOLDER,
        identity=composing.identity,
        guards=kept,
        trials=trials,
        timeout=timeout,
        sampler=sampler,
        seed=child_seed(plan.run.seed, "compose tune"),
        progress=progress,
    )
    found = FrontFound.of(knobs, aims, searched, kept, composing.sentence)
    if found.picks and not searched.stopped:
        progress.note("The points to take are judged on other users")
        found = found.confirmed(composing.confirmed({pick.name: pick.policy for pick in found.picks}, progress))
    _keep(found, command, clock())
    if write is not None and not searched.stopped:
        text = path.read_text(encoding="utf-8")
        write_whole(write, with_policy(text, _taken(found, take), f"{take}, by {command}"))
        read_plan(write)
        return Composed(found, left_out, write)
    return Composed(found, left_out, None)


def _aims(plan: Plan, names: Sequence[str], dataset: Dataset) -> tuple[Metric, ...]:
    first = plan.metrics.metrics[0].name
    wanted = MetricsConfig(k=plan.metrics.k[:1], names=list(names) or [first, *AIMS])
    found, _ = wanted.within(dataset.n_items)
    return tuple(of_slates(metric) for metric in found.metrics)


def _base(plan: Plan) -> SlateConfig:
    """The policy to start from: everything that is not searched."""
    policy = plan.policy if isinstance(plan.policy, SlateConfig) else SlateConfig()
    usual = SlateConfig()
    if policy.candidates == usual.candidates:
        policy = msgspec.structs.replace(policy, candidates=SHALLOW)
    return msgspec.structs.replace(policy, sources={}, diversity=0.0, diversifier=None, softmax=None, budget=None)


def _weighed(plan: Plan, names: Sequence[str]) -> tuple[str, ...]:
    if names:
        return tuple(name for name in names if name != "none")
    own = plan.policy.objectives if isinstance(plan.policy, SlateConfig) else None
    if own is not None and (weighed := [name for name in own.weights if name != RELEVANCE]):
        return tuple(weighed)
    trees = find_spec("lightgbm") is not None
    return tuple(name for name in USUAL if trees or name not in MODELLED)


def _may_write(write: Path, path: Path, *, overwrite: bool) -> None:
    if write.exists() and not overwrite:
        raise ConflictError(f"{write} is there already", advice="name another file, or add --force")
    if write.resolve().parent != path.resolve().parent:
        raise SettingError(
            f"{write} is in another folder than {path}",
            allowed="the paths in a plan start from its folder",
            advice=f"name a file in {path.resolve().parent}",
        )


def _taken(found: FrontFound, take: str) -> SlateConfig:
    for pick in found.picks:
        if take in pick.name.split("-"):
            return pick.policy
    raise SettingError(f"there is no point '{take}' to take", allowed=found.sentence)


def _keep(found: FrontFound, command: str, now: float) -> None:
    """Write everything into the folder of the search."""
    folder, plain = found.searched.folder, found.to_dict()
    snippets = {
        pick.name: policy_toml(
            pick.policy, comment=f"{pick.name}: {pick.why}\ntrial {pick.trial.number}, {_said(pick)}"
        )
        for pick in found.picks
    }
    write_whole(folder / FRONT, json.dumps(plain, indent=2, allow_nan=False))
    found.frame().write_parquet(folder / TABLE)
    write_whole(folder / PICTURE, _styled(front_picture(plain, plain["aims"][0], plain["aims"][1])))
    for name, snippet in snippets.items():
        write_whole(folder / f"policy-{name}.toml", snippet)
    if len(found.picks) > 1:
        write_whole(folder / ARMS, arms_toml({pick.name: pick.policy for pick in found.picks}))
    write_whole(folder / PAGE, frontier_page(plain, snippets, command, now))


def _said(pick: Pick) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in pick.values.items()) + " on validation users"


def _styled(svg: str) -> str:
    """A picture that stands alone: its colours come along."""
    from recloop.charts import style

    return svg.replace(">", f"><style>{style()}</style>", 1)
