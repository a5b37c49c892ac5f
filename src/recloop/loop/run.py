"""The life of a run: plan → data → split → train → judge → compose → one folder, whole or not at all."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from recloop.compose import Catalogue, PolicyConfig, SlateConfig, build, policy_config
from recloop.compose.objectives.fitted import Objectives
from recloop.data.check import Check, check
from recloop.data.dataset import Dataset
from recloop.data.source import Reading, read
from recloop.data.split import Split
from recloop.errors import ArtifactError, ConflictError, DataError, ExtraError, MissingError
from recloop.evaluate import Evaluation, HeldOutRatings, evaluate
from recloop.loop.blending import blended, is_learned
from recloop.loop.environment import environment
from recloop.loop.folder import whole_folder
from recloop.loop.objectives import learned_for, weighs
from recloop.loop.plan import COMPOSED, Plan, child_seed, read_plan
from recloop.loop.release import build_release, versions
from recloop.loop.rule_effects import rules_measured
from recloop.loop.selection import select
from recloop.loop.vectors import item_vectors
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy

PLAN, RUN, EVALUATION, CHECK, ENVIRONMENT = (
    "plan.json",
    "run.json",
    "evaluation.json",
    "check.json",
    "environment.json",
)
REPORT, RELEASE = "report.html", "release"


@dataclass(frozen=True, eq=False)
class Run:
    """One run: what was asked, what came out, and where it lies.

    Attributes:
        id: the beginnings of the plan's hash and the data's fingerprint: equal inputs, equal id.
        folder: of the run; not there after a dry run.
        plan: as resolved.
        plan_hash: SHA-256 of the resolved plan.
        data_fingerprint: SHA-256 of the data.
        reading: the data and how it was read.
        check: what was found in the data.
        policy: what the composed policy is made of; None after a dry run.
        left_out: strategy → why it was not trained.
        reused: whether the folder was there already.
        vectors: where the item vectors come from.
        evaluation: the figures with slates and per-user values; None when reused or dry.
        results: the evaluation as plain values; empty after a dry run.
    """

    id: str
    folder: Path
    plan: Plan
    plan_hash: str
    data_fingerprint: str
    reading: Reading
    check: Check
    policy: PolicyConfig | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    reused: bool = False
    vectors: str = ""
    evaluation: Evaluation | None = None
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def release(self) -> Path:
        """The folder of the release candidate."""
        return self.folder / RELEASE

    @property
    def report(self) -> Path:
        """The report, where one was written."""
        return self.folder / REPORT


def run(
    plan: Plan | Path,
    *,
    progress: Progress = SILENT,
    dry_run: bool = False,
    write_report: Callable[[Run, Path], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> Run:
    """Run a plan: read, split, train, judge, compose, and write one folder.

    The folder holds ``plan.json, run.json, environment.json, check.json, evaluation.json, metrics.parquet,
    slates.parquet``, the ``release`` candidate, and what ``write_report`` adds. It appears whole or not at all. The
    same plan on the same data is not computed twice: the folder that is there is taken.

    Args:
        plan: the plan, or the path of its file.
        progress: shows how far it has come.
        dry_run: read and check everything, and stop before training; nothing is written.
        write_report: called with the run and the folder to write into, before the folder gets its name.
        clock: seconds since 1970.

    Raises:
        SettingError: the plan is wrong.
        MissingError: the plan or a data file does not exist.
        DataError: the data cannot be used.
        StoreError: the disk is full or cannot be written; nothing was left behind.
        ArtifactError: the folder of the same run is there and damaged.
    """
    plan = plan if isinstance(plan, Plan) else read_plan(plan)
    reading = read(plan.source, progress)
    metrics, lowered = plan.metrics.within(reading.dataset.n_items)
    if lowered:
        progress.note(lowered)
        plan = msgspec.structs.replace(plan, metrics=metrics)
    fingerprint = reading.dataset.fingerprint
    name = f"{plan.hash[:8]}-{fingerprint[:8]}"
    made = Run(
        id=name,
        folder=plan.out / name,
        plan=plan,
        plan_hash=plan.hash,
        data_fingerprint=fingerprint,
        reading=reading,
        check=check(reading, clock()),
        left_out=not_fed(plan, reading.dataset),
    )
    usable(made.check)
    if made.folder.exists():
        return _reuse(made, progress)
    split = plan.splitter(reading.dataset)
    if lowered:
        split = replace(split, notes=(*split.notes, lowered))
    if dry_run:
        return made
    try:
        with whole_folder(made.folder) as draft:
            return _make(made, split, draft, progress, write_report, clock)
    except ConflictError:
        if not made.folder.exists():
            raise
        return _reuse(made, progress)  # somebody else ran the same plan meanwhile, and was quicker


def _make(
    made: Run,
    split: Split,
    draft: Path,
    progress: Progress,
    write_report: Callable[[Run, Path], None] | None,
    clock: Callable[[], float],
) -> Run:
    plan, dataset = made.plan, made.reading.dataset
    strategies, seconds, left_out = fit_strategies(plan, split.train, made.left_out, progress)
    vectors = item_vectors(strategies.values(), split.train, progress)
    policy, models, objectives = _policy(plan, split.train, left_out, progress)
    objectives = None if objectives is None else objectives.refreshed(split.train, vectors.values)
    catalogue = Catalogue(dataset.items, models, objectives)
    composed = build(policy, strategies, vectors.values, catalogue=catalogue)
    evaluation = evaluate(
        split,
        {**strategies, COMPOSED: composed},
        plan.metrics.metrics,
        vectors=vectors.values,
        ratings=HeldOutRatings.of(dataset, split),
        fit_seconds=seconds,
        progress=progress,
    )
    evaluation = _with_caveats(evaluation, strategies, progress)
    results = evaluation.to_dict() | {
        "rules": rules_measured(composed, split, max(plan.metrics.k)),
        "rule_notes": list(composed.notes),
    }
    made = replace(
        made, policy=policy, left_out=left_out, vectors=vectors.origin, evaluation=evaluation, results=results
    )
    if plan.run.refit:
        progress.note("The strategies of the release are trained again, on the whole log")
        strategies, _, _ = fit_strategies(plan, dataset, left_out, progress)
        vectors = item_vectors(strategies.values(), dataset, progress)
        objectives = None if objectives is None else objectives.refreshed(dataset, vectors.values)

    version, parent = _next(plan.out)
    release = f"{version}-{made.id}"
    build_release(
        draft / RELEASE,
        name=release,
        version=version,
        dataset=dataset,
        strategies=strategies,
        policies={COMPOSED: policy, **{name: _alone(name) for name in strategies}},
        default_policy=COMPOSED,
        models=models,
        objectives=objectives,
        vectors=vectors.values,
        encoder=vectors.encoder,
        fingerprint=vectors.fingerprint,
        metrics=results["leaderboard"],
        parent=parent,
        plan_hash=made.plan_hash,
        gate=plan.gate,
        created=clock(),
    )
    _write(draft / PLAN, plan.to_dict())
    _write(draft / ENVIRONMENT, environment(plan.run.seed))
    _write(draft / CHECK, made.check.to_dict())
    _write(draft / EVALUATION, results)
    evaluation.write(draft)
    _write(
        draft / RUN,
        {
            "id": made.id,
            "plan_hash": made.plan_hash,
            "data_fingerprint": made.data_fingerprint,
            "created": clock(),
            "release": release,
            "policy": msgspec.to_builtins(policy),
            "left_out": dict(left_out),
            "vectors": vectors.origin,
            "notes": list(made.reading.notes),
            "constraints": [] if objectives is None else list(objectives.statements),
        },
    )
    if write_report is not None:
        write_report(made, draft)
    return made


def _with_caveats(evaluation: Evaluation, strategies: Mapping[str, Strategy], progress: Progress) -> Evaluation:
    """The evaluation with what each strategy has to say about its answers, which are told at once, too."""
    said = [f"{name}: {strategy.caveat}" for name, strategy in strategies.items() if strategy.caveat]
    for sentence in said:
        progress.note(sentence)
    return replace(evaluation, split=replace(evaluation.split, notes=(*evaluation.split.notes, *said)))


def usable(found: Check) -> None:
    """Whether data is fit to be learned from.

    Raises:
        DataError: an error was found in it.
    """
    for finding in found.findings:
        if finding.severity == "error" and finding.topic != "time":  # splits that need times say so themselves
            raise DataError(finding.sentence)


def _reuse(made: Run, progress: Progress) -> Run:
    try:
        header = json.loads((made.folder / RUN).read_text(encoding="utf-8"))
        results = json.loads((made.folder / EVALUATION).read_text(encoding="utf-8"))
        same = (header["plan_hash"], header["data_fingerprint"]) == (made.plan_hash, made.data_fingerprint)
        left_out, vectors, policy = header["left_out"], header["vectors"], policy_config(header["policy"])
        whole = all(results[key] for key in ("split", "strategies", "metrics", "leaderboard"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{Path(error.filename).name}: {error.strerror}" if isinstance(error, OSError) else error
        raise _damaged(made, str(reason)) from error
    if not whole:
        raise _damaged(made, f"{EVALUATION} holds no leaderboard")
    if not same:
        raise ConflictError(
            f"{made.folder} belongs to another plan or other data", advice="remove it, or set another [run] out"
        )
    progress.note(f"The same plan ran on the same data before: reusing {made.folder}")
    return replace(made, reused=True, policy=policy, left_out=left_out, vectors=vectors, results=results)


def _damaged(made: Run, reason: str) -> ArtifactError:
    return ArtifactError(f"the run {made.folder} is damaged ({reason})", advice="remove the folder, and run again")


def not_fed(plan: Plan, dataset: Dataset) -> dict[str, str]:
    """Strategies that this data cannot feed, with the reason; one that needs text and was named is not left out."""
    texts = plan.chosen or any(text.strip() for text in dataset.item_texts())
    left_out = {}
    for name, entry in plan.strategies.items():
        if not texts and entry.make().needs_text:
            left_out[name] = "the catalogue has no texts"
        elif not dataset.has_times and entry.settings.get("window") and entry.strategy == "popular":
            left_out[name] = "the events have no times"
    return left_out


def fit_strategies(
    plan: Plan, dataset: Dataset, skip: Mapping[str, str], progress: Progress
) -> tuple[dict[str, Strategy], dict[str, float], dict[str, str]]:
    """The fitted strategies, the CPU seconds of each, and those that were left out with the reason."""
    left_out, fitted, seconds = dict(skip), {}, {}
    names = [name for name in plan.strategies if name not in skip]
    with progress.task("Train", total=len(names)) as advance:
        for name in names:
            start = time.process_time()
            try:
                fitted[name] = plan.strategies[name].make().fit(dataset, progress)
            except (ExtraError, MissingError) as error:  # the packages, or the weights that they need
                if plan.chosen:
                    raise
                left_out[name] = str(error)
            else:
                seconds[name] = time.process_time() - start
            advance(1)
    return fitted, seconds, left_out


def _policy(
    plan: Plan, train: Dataset, left_out: Mapping[str, str], progress: Progress
) -> tuple[PolicyConfig, dict[str, str], Objectives | None]:
    """The plan's policy, with what is learned of it on a part of the training events: models and objectives.

    Where it names no sources, those that do best are taken; where it is to learn how to fuse, it learns.
    """
    policy = plan.policy
    chosen = not isinstance(policy, SlateConfig) or bool(policy.sources)
    if chosen and not is_learned(policy) and not weighs(policy):
        return policy, {}, None
    trained = [name for name in plan.strategies if name not in left_out]
    sources = [name for name in trained if plan.strategies[name].strategy != "random"] or trained
    try:
        validation = plan.splitter(train)
    except DataError:  # too few events to put some aside
        if chosen or not isinstance(policy, SlateConfig) or is_learned(policy) or weighs(policy):
            raise
        return msgspec.structs.replace(policy, sources=sources), {}, None
    strategies, _, _ = fit_strategies(plan, validation.train, left_out, progress)
    if not chosen and isinstance(policy, SlateConfig):
        progress.note("What to fuse is learned on a part of the training events")
        vectors = item_vectors(strategies.values(), validation.train, progress).values if policy.diversified else None
        policy = select(
            policy,
            strategies,
            sources,
            validation,
            plan.metrics.metrics[0],
            vectors=vectors,
            catalogue=Catalogue(train.items),
            progress=progress,
        )
    policy, models = blended(policy, strategies, validation, seed=plan.run.seed, progress=progress)
    if not weighs(policy):
        return policy, models, None
    progress.note("What objectives need is learned on a part of the training events")
    vectors = item_vectors(strategies.values(), validation.train, progress).values
    seed = child_seed(plan.run.seed, "objectives")
    policy, objectives = learned_for(
        policy, strategies, train, validation, vectors, models=models, seed=seed, progress=progress
    )
    return policy, models, objectives


def _alone(name: str) -> SlateConfig:
    return SlateConfig(sources=[name])


def _next(out: Path) -> tuple[int, str]:
    """The version after the greatest among the runs, and the name of that one."""
    known = versions(out.glob(f"*/{RELEASE}*"))
    version, name = max(known, default=(0, ""))
    return version + 1, name


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, allow_nan=False), encoding="utf-8")
