"""Whether an effect differs between kinds of users: one effect per segment, held against those of the others."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
import polars as pl

from recloop.experiments.arms import Arms
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import Basis
from recloop.experiments.parts import Part, Separate, Shared
from recloop.experiments.segment_columns import segmented
from recloop.experiments.words import adjusted_over, lift, listed, probability
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Comoments, Effect, Moments, benjamini_hochberg, heterogeneity


@dataclass(frozen=True, slots=True)
class SegmentEffect:
    """A treatment against a control within one segment.

    ``p_rest`` is that of the difference between this effect and the effect on all other users (an interaction);
    ``p_adjusted`` is it after Benjamini-Hochberg over every metric, segment and pair. Where the segment has too few
    users there is a ``reason``, no effect, and no test.
    """

    column: str
    value: str
    metric: str
    treatment: str
    control: str
    users: int
    effect: Effect | None = None
    p_rest: float = math.nan
    p_adjusted: float = math.nan
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SegmentTest:
    """Cochran's test of whether the effect is the same in all segments of a column.

    ``i_squared`` is the share of the spread of the effects that is not chance. ``p_adjusted`` is the p-value after
    Benjamini-Hochberg over every metric, column and pair.
    """

    column: str
    metric: str
    treatment: str
    control: str
    q: float
    df: int
    i_squared: float
    p_value: float
    p_adjusted: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Segments:
    """Effects per segment, and the tests of whether they differ. Segments explore: no rule decides on them."""

    effects: tuple[SegmentEffect, ...] = ()
    tests: tuple[SegmentTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Cells:
    """The sums of every metric in every segment.

    Attributes:
        moments: (metric, column, value) → arm → moments.
        shared: (metric, column, value) → pair of arms → what their users did in both, where sessions were assigned.
    """

    moments: Mapping[tuple[str, str, str], Mapping[str, Moments]]
    shared: Mapping[tuple[str, str, str], Mapping[tuple[str, str], Comoments]] = field(default_factory=dict)

    @classmethod
    def read(
        cls, arms: Arms, columns: Sequence[str], metrics: Sequence[str], pairs: Sequence[tuple[str, str]] = ()
    ) -> "Cells":
        """Of the arms' users, each column read once per metric; ``pairs`` where users are seen in several arms.

        Raises:
            DataError: a column is missing, or cannot be one of segments.
        """
        found: dict[tuple[str, str, str], dict[str, Moments]] = {}
        frames = {name: segmented(frame, columns) for name, frame in arms.frames.items()}
        for column in columns:
            values = sorted(set().union(*(frame[column].unique().to_list() for frame in frames.values())))
            kind = pl.Enum(values)
            for metric in metrics:
                if arms.missing[metric]:
                    continue
                for name, frame in frames.items():
                    codes = frame[column].cast(kind).to_physical().to_numpy().astype(np.int64)
                    parts = Moments.grouped(*arms.values(metric, name), codes, len(values))
                    for value, part in zip(values, parts, strict=True):
                        found.setdefault((metric, column, value), dict.fromkeys(frames, Moments()))[name] = part
        if not arms.crossed:
            return cls(found)
        shared: dict[tuple[str, str, str], dict[tuple[str, str], Comoments]] = {}
        for metric, column in ((one, column) for one in metrics if not arms.missing[one] for column in columns):
            for pair in pairs:
                for value, sums in arms.shared_sums(metric, *pair, frames, column).items():
                    shared.setdefault((metric, column, value), {})[pair] = sums
        return cls(found, shared)

    def parts(self, metric: str, column: str, pair: tuple[str, str]) -> dict[str, Part]:
        """Value → what its users did in two arms."""
        found: dict[str, Part] = {}
        for value, by_arm in self.of(metric)[column].items():
            t, c = (by_arm.get(name, Moments()) for name in pair)
            sums = self.shared.get((metric, column, value), {}).get(pair)
            found[value] = Separate(t, c) if sums is None else Shared(sums, (t.n, c.n))
        return found

    def of(self, metric: str) -> dict[str, dict[str, Mapping[str, Moments]]]:
        """Column → value → arm → moments of one metric."""
        found: dict[str, dict[str, Mapping[str, Moments]]] = {}
        for (one, column, value), by_arm in self.moments.items():
            if one == metric:
                found.setdefault(column, {})[value] = by_arm
        return found


def segments(experiment: Experiment, arms: Arms, cells: Cells, basis: Basis) -> Segments:
    """The effect of every pair on every metric of the cells, in each segment and against the rest.

    An arm of a segment needs the experiment's ``minimum_users``; smaller segments count in "the rest" only. Under
    ``always valid`` intervals and p-values hold at every look.
    """
    effects: list[SegmentEffect] = []
    tests: list[SegmentTest] = []
    for metric in dict.fromkeys(metric for metric, *_ in cells.moments):
        for column in cells.of(metric):
            for pair in experiment.pairs:
                parts = cells.parts(metric, column, pair)
                found = list(_effects(experiment, arms.metrics[metric], column, parts, pair, basis))
                effects += found
                if test := _test(experiment, arms.metrics[metric], found, parts, pair, basis):
                    tests.append(test)
    rest = benjamini_hochberg([one.p_rest for one in effects]).tolist()
    all_ = benjamini_hochberg([one.p_value for one in tests]).tolist()
    effects = [dataclasses.replace(one, p_adjusted=p) for one, p in zip(effects, rest, strict=True)]
    tests = [dataclasses.replace(one, p_adjusted=p) for one, p in zip(tests, all_, strict=True)]
    return Segments(
        tuple(effects),
        tuple(dataclasses.replace(one, sentence=_say(experiment, arms, one, effects, len(tests))) for one in tests),
    )


def _effects(
    experiment: Experiment,
    metric: OutcomeMetric,
    column: str,
    parts: Mapping[str, Part],
    pair: tuple[str, str],
    basis: Basis,
) -> Iterator[SegmentEffect]:
    planned = experiment.planned_for(*pair)
    for value, part in parts.items():
        one = SegmentEffect(column, value, metric.id, *pair, users=part.users)
        seen, few = min(zip(part.counts, pair, strict=True), key=lambda counted: counted[0])
        if seen < experiment.minimum_users:
            reason = f"{seen:,} users under {few}, and each variant needs {experiment.minimum_users:,}"
            yield dataclasses.replace(one, reason=reason)
            continue
        here = part.difference()
        if here is None or here.variance == 0:
            yield dataclasses.replace(one, reason=f"every user has the same, or it needs {metric.needs}")
            continue
        # as if users were spread evenly: what the interval is tuned to must not hang on the data
        both = part.effects(experiment.alpha, max(planned // len(parts), 2))
        p, rest = math.nan, [other for name, other in parts.items() if name != value]
        others = reduce(add, rest).difference() if rest else None
        if others is not None and others.variance > 0:
            p = heterogeneity([here, others], planned=planned if basis != "fixed" else None).p_value
        yield dataclasses.replace(one, effect=both.fixed if basis == "fixed" else both.sequential, p_rest=p)


def _test(
    experiment: Experiment,
    metric: OutcomeMetric,
    effects: Sequence[SegmentEffect],
    parts: Mapping[str, Part],
    pair: tuple[str, str],
    basis: Basis,
) -> SegmentTest | None:
    shown = [one.value for one in effects if one.effect]
    if len(shown) < 2:
        return None
    estimates = [one for value in shown if (one := parts[value].difference())]
    found = heterogeneity(estimates, planned=experiment.planned_for(*pair) if basis != "fixed" else None)
    p = found.p_value
    return SegmentTest(effects[0].column, metric.id, *pair, found.q, found.df, found.i_squared, p, math.nan, "")


def _say(experiment: Experiment, arms: Arms, test: SegmentTest, effects: Sequence[SegmentEffect], tests: int) -> str:
    metric = arms.metrics[test.metric]
    key = (test.column, test.metric, test.treatment, test.control)
    known = [
        (one, one.effect)
        for one in effects
        if one.effect and (one.column, one.metric, one.treatment, one.control) == key
    ]
    over = f"{probability(test.p_adjusted)}{adjusted_over('Benjamini-Hochberg', tests, 'test')}"
    what = f"of {test.treatment} against {test.control} on {metric.title}"
    if test.p_adjusted >= experiment.alpha:
        return f"That the effect {what} differs by {test.column} is not beyond doubt ({over})."
    low, high = (pick(known, key=lambda pair: pair[1].estimate) for pick in (min, max))
    parts = [f"{one.value} {lift(metric, effect)}" for one, effect in (high, low)]
    own = [one.value for one, _ in known if one.p_adjusted < experiment.alpha]
    apart = f" Unlike the rest: {listed(own)}." if own else ""
    return f"The effect {what} differs by {test.column} ({over}): from {parts[0]} to {parts[1]}.{apart}"
