"""A release in fewer bytes that answers sooner, and what that costs: measured, and refused where it is too much."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose import build, policy_config
from recloop.data.dataset import Dataset
from recloop.data.split import Split
from recloop.errors import ConflictError, DataError, SettingError
from recloop.evaluate import evaluate
from recloop.evaluate.ranker import Ranker
from recloop.loop.plan import Plan
from recloop.loop.release import Release, load, rebuilt, verify, versions
from recloop.loop.run import RELEASE
from recloop.metrics import Metric
from recloop.progress import SILENT, Progress
from recloop.stats import paired
from recloop.strategies import Strategy

WARM = 5  # requests before the clock runs
SUFFIX = "compressed"


@dataclass(frozen=True)
class Compressed:
    """One strategy, or the policy, before and after.

    Attributes:
        name: in the release.
        kept: whether the smaller one is taken.
        tried: how many smaller ones were judged.
        bytes_before: on disk; None for the policy.
        bytes_after: likewise.
        p50_before: seconds that half of the requests stay below, one at a time, in this process.
        p50_after: likewise.
        before: the metric.
        after: likewise.
        low: lower end of the 95% interval of after - before, paired by user.
        high: its upper end.
        loss: share of the metric that is lost; below 0 where something was won.
    """

    name: str
    kept: bool
    tried: int
    bytes_before: int | None
    bytes_after: int | None
    p50_before: float
    p50_after: float
    before: float
    after: float
    low: float
    high: float
    loss: float


@dataclass(frozen=True)
class Compression:
    """What a release was, and what became of it.

    Attributes:
        folder: of the new release.
        name: of the new release.
        metric: what was judged by.
        users: on whom.
        max_loss: that was allowed.
        trained_on_truth: whether the strategies had learned from the events that they are judged by, as those of a
            release do that was trained again on the whole log. Losses then compare two that know the answers.
        strategies: each of them.
        policy: the default policy over the smaller strategies that were taken.
        together: what it would lose over all that are small enough and good enough alone.
        bytes_before, bytes_after: of the whole folders.
    """

    folder: Path
    name: str
    metric: str
    users: int
    max_loss: float
    trained_on_truth: bool
    strategies: tuple[Compressed, ...]
    policy: Compressed
    together: float
    bytes_before: int
    bytes_after: int

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "folder": str(self.folder)}


def compress(
    plan: Plan,
    folder: Path,
    dataset: Dataset,
    *,
    max_loss: float | None = None,
    target: Path | None = None,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.perf_counter,
) -> Compression:
    """Write a smaller release beside a release.

    Each strategy offers smaller ones, the boldest first (``Strategy.compressed``); the first that loses no more than
    allowed of the plan's first metric, on the plan's held-out events, is taken. Then the default policy is judged over
    them; where it loses more than allowed, the strategies that lost most stay as they were, one after another.

    Args:
        plan: that made the release.
        folder: of the release.
        dataset: that it was made from.
        max_loss: share of the metric that may be lost; the plan's where None.
        target: the new folder; beside the old one where None.
        progress: who watches.
        clock: seconds.

    Raises:
        SettingError: the plan is not the release's, or its first metric cannot be judged this way.
        DataError: the data are not those of the release.
        ArtifactError: the release is damaged.
        ConflictError: the target exists, nothing became smaller, or the policy would lose more than allowed.
        StoreError: the disk is full or cannot be written.
    """
    limit = plan.compress.max_loss if max_loss is None else max_loss
    if not 0 <= limit < 1:
        raise SettingError(f"max_loss is {limit}", allowed="it is a share, from 0 to below 1")
    target = target or folder.with_name(f"{folder.name}-{SUFFIX}")
    if target.exists():
        raise ConflictError(f"{target} exists already", advice="remove it, or name another folder with --out")
    release = load(folder)
    _belong(plan, release, dataset)
    judge = _Judge.of(plan, dataset, progress, clock)
    rows, taken = [], {}
    with progress.task("Compress", total=len(release.strategies)) as advance:
        for name, strategy in release.strategies.items():
            row, smaller = judge.smallest(name, strategy, limit)
            rows.append(row)
            if smaller is not None:
                taken[name] = smaller
            advance(1)
    if not taken:
        raise ConflictError(
            f"nothing in the release '{release.name}' becomes smaller for a loss of at most {limit:.1%}",
            advice=f"{_least(rows)}; allow more with --max-loss",
        )
    first = policy = judge.policy(release, taken)
    if policy.loss > limit and len(taken) > 1:  # together they may lose more than each alone
        saved = {row.name: (row.bytes_before or 0) - (row.bytes_after or 0) for row in rows}
        every, taken = taken, {}
        for one in sorted(every, key=lambda name: -saved[name]):
            with_it = judge.policy(release, taken | {one: every[one]})
            if with_it.loss <= limit:
                taken, policy = taken | {one: every[one]}, with_it
    if policy.loss > limit:
        raise ConflictError(
            f"the policy '{release.default_policy}' would lose {first.loss:.2%} of {judge.metric.name}",
            allowed=f"at most {limit:.2%} may be lost",
            advice="nothing was written; allow more with --max-loss",
        )
    rows = [replace(row, kept=row.name in taken) for row in rows]
    version = 1 + max((version for version, _ in versions(plan.out.glob(f"*/{RELEASE}*"))), default=release.version)
    name = f"{version}-{release.name.partition('-')[2] or release.name}-{SUFFIX}"
    report = {"compression": {"metric": judge.metric.name, "max_loss": limit, "strategies": [asdict(r) for r in rows]}}
    rebuilt(folder, target, name=name, version=version, strategies=taken, more=report)
    return Compression(
        folder=target,
        name=name,
        metric=judge.metric.name,
        users=len(judge.split),
        max_loss=limit,
        trained_on_truth=plan.run.refit,
        strategies=tuple(rows),
        policy=policy,
        together=first.loss,
        bytes_before=_bytes(folder),
        bytes_after=_bytes(target),
    )


@dataclass(frozen=True, eq=False)
class _Judge:
    split: Split
    metric: Metric
    dataset: Dataset
    requests: int
    progress: Progress
    clock: Callable[[], float]

    @classmethod
    def of(cls, plan: Plan, dataset: Dataset, progress: Progress, clock: Callable[[], float]) -> "_Judge":
        metric = plan.metrics.metrics[0]
        if metric.direction != "higher" or metric.aggregate or metric.needs:
            raise SettingError(
                f"the plan's first metric is {metric.name}",
                allowed="compression is judged by a metric of each user's slate, where more is better",
                advice="put ndcg first in [metrics] names",
            )
        split = plan.splitter(dataset)
        learned_from = dataset if plan.run.refit else split.train
        return cls(split, metric, learned_from, plan.compress.requests, progress, clock)

    def smallest(self, name: str, strategy: Strategy, limit: float) -> tuple[Compressed, Strategy | None]:
        """The first of the smaller ones that loses no more than allowed; None where there is none."""
        before, size = self.values(strategy), _saved(strategy)
        best: Compressed | None = None
        tried = 0
        for smaller in strategy.compressed(self.dataset, self.progress):
            tried += 1
            after_size = _saved(smaller)
            if after_size >= size:
                continue
            row = self.row(name, strategy, smaller, before, self.values(smaller), (size, after_size), tried)
            if row.loss <= limit:
                return row, smaller
            best = row if best is None or row.loss < best.loss else best
        if best is None:
            best = self.row(name, strategy, strategy, before, before, (size, size), tried)
        return Compressed(**{**asdict(best), "kept": False, "tried": tried}), None

    def policy(self, release: Release, taken: Mapping[str, Strategy]) -> Compressed:
        """The default policy over all smaller strategies."""
        config = policy_config(verify(release.folder)["policies"][release.default_policy])
        smaller = build(config, {**release.strategies, **taken}, release.vectors, catalogue=release.known)
        original = release.policy()
        sizes = (None, None)
        return self.row(
            release.default_policy, original, smaller, self.values(original), self.values(smaller), sizes, 1
        )

    def values(self, ranker: Ranker) -> NDArray[np.float64]:
        """The metric of each user."""
        return evaluate(self.split, {"it": ranker}, [self.metric]).per_user["it", self.metric.name]

    def row(
        self,
        name: str,
        old: Ranker,
        new: Ranker,
        before: NDArray[np.float64],
        after: NDArray[np.float64],
        sizes: tuple[int | None, int | None],
        tried: int,
    ) -> Compressed:
        known = ~(np.isnan(before) | np.isnan(after))
        was, is_ = (float(values[known].mean()) if known.any() else 0.0 for values in (before, after))
        gap = paired(after[known], before[known]) if known.sum() > 1 else None
        p50 = self.p50(old, new)
        return Compressed(
            name=name,
            kept=True,
            tried=tried,
            bytes_before=sizes[0],
            bytes_after=sizes[1],
            p50_before=p50[0],
            p50_after=p50[1],
            before=was,
            after=is_,
            low=is_ - was if gap is None else float(gap.low),
            high=is_ - was if gap is None else float(gap.high),
            loss=(was - is_) / was if was > 0 else 0.0,
        )

    def p50(self, old: Ranker, new: Ranker) -> tuple[float, float]:
        """Median seconds of one request, both asked in turn so that other load of the machine meets both."""
        spent: tuple[list[float], list[float]] = ([], [])
        rows = np.arange(self.requests + WARM) % len(self.split)
        k = min(10, self.split.histories.n_items)
        for place, row in enumerate(rows.tolist()):
            one = self.split.histories.block(row, row + 1)
            for ranker, seconds in zip((old, new), spent, strict=True):
                start = self.clock()
                ranker.rank(one, k, hide_seen=self.split.hide_seen, allowed=self.split.allowed)
                if place >= WARM:
                    seconds.append(self.clock() - start)
        return float(np.median(spent[0])), float(np.median(spent[1]))


def _belong(plan: Plan, release: Release, dataset: Dataset) -> None:
    if release.plan_hash and release.plan_hash != plan.hash:
        raise SettingError(
            f"the release '{release.name}' was made by another plan",
            advice="give the plan that made it: the file, or plan.json beside the release",
        )
    if release.data_fingerprint != dataset.fingerprint:
        raise DataError(
            f"the release '{release.name}' was made from other data than the plan reads now",
            advice="run the plan on the data of today, and compress that release",
        )


def _saved(strategy: Strategy) -> int:
    with tempfile.TemporaryDirectory() as folder:
        strategy.save(Path(folder) / "it")
        return _bytes(Path(folder))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _least(rows: list[Compressed]) -> str:
    row = min(rows, key=lambda entry: entry.loss)
    return f"the least loss was {row.loss:.2%}, of '{row.name}'"
