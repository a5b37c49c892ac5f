"""The search through all slices and metrics, and what remains of it: the slices that explain, nested ones pruned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.experience.problems.clustered import Weighed, weigh_slices, weigh_whole
from recloop.experience.problems.coded import Coded
from recloop.experience.problems.contrast import Contrast
from recloop.experience.problems.cube import Cuboid
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.rows import Rows, contrast_of
from recloop.experience.problems.scan import Scanned, Side, Sums, scan
from recloop.experience.problems.settings import Settings
from recloop.experience.problems.thresholds import Family, Thresholds

CLOSER = np.log(1e-3)  # log p, slates taken as independent, from which a slice is looked at closely
CLOSEST = 300  # slices of a metric that are
PEELS = 6  # problems of one metric
STAYED, APART = 1.5, 3.0  # standard errors within which a part stayed as it was; from which two differ
NEARLY = 0.5  # part of the squared z of the best that another description needs
OWN = 3.0  # standard errors by which a slice must itself have moved for the worse


@dataclass(frozen=True, slots=True)
class Hit:
    """A slice that explains a change of a metric, and its rivals among the slices that were found with it."""

    measure: Measure
    sums: Sums
    tested: Weighed
    rivals: tuple[Weighed, ...]


class Search:
    """All metrics, once; then, metric by metric, one explaining slice after another.

    Args:
        coded: the rows.
        cuboids: the slices.
        contrast: what is held against what.
        settings: how.
    """

    def __init__(self, coded: Coded, cuboids: Sequence[Cuboid], contrast: Contrast, settings: Settings) -> None:
        self._coded, self._cuboids, self._contrast, self._settings = coded, cuboids, contrast, settings
        self.families: list[Family] = []
        self._found: dict[str, tuple[Measure, list[Weighed]]] = {}
        self.wholes: dict[str, Weighed] = {}

    def look(self, measures: Mapping[str, Measure], advance: Callable[[float], None] = lambda _: None) -> None:
        """Test every slice for every metric."""
        metrics = [Sums.of(self._coded, measure) for measure in measures.values()]
        for sums, (tested, family) in zip(metrics, self._pass(metrics, advance), strict=True):
            name = sums.measure.metric.id
            self.wholes[name] = tested[0]
            self.families.append(family)
            self._found[name] = (sums.measure, tested)

    def hits(self, bounds: Thresholds) -> list[Hit]:
        """The slices that explain."""
        return [hit for measure, tested in self._found.values() for hit in self._explain(measure, tested, bounds)]

    def _pass(
        self, metrics: Sequence[Sums], advance: Callable[[float], None] = lambda _: None
    ) -> list[tuple[list[Weighed], Family]]:
        events = self._settings.events
        found = scan(self._coded, metrics, self._cuboids, self._contrast, events=events, advance=advance)
        return [self._test(sums, whole, scanned) for sums, (whole, scanned) in zip(metrics, found, strict=True)]

    def _test(self, sums: Sums, whole: Side, scanned: Sequence[Scanned]) -> tuple[list[Weighed], Family]:
        """The whole and the slices that are worth it, tested with users as units; and the p-values of all."""
        users = self._settings.users
        everywhere = weigh_whole(self._coded, sums, whole, self._contrast, users=users)
        logs = [self._contrast.log_p(one.z, one.fit.at) for one in scanned]
        order = sorted(
            (float(log[place]), k, place)
            for k, (one, log) in enumerate(zip(scanned, logs, strict=True))
            for place in np.flatnonzero((log < CLOSER) & (sums.worse * one.own > 0)).tolist()
        )[:CLOSEST]
        chosen = [(scanned[k], place) for _, k, place in order]
        tested = weigh_slices(self._coded, sums, chosen, self._contrast, users=users)
        for (_, k, place), one in zip(order, tested, strict=True):
            logs[k][place] = one.log_p
        there = [np.isfinite(one.z) for one in scanned]
        depths = [np.full(int(t.sum()), len(one.cuboid.slices[0])) for one, t in zip(scanned, there, strict=True)]
        family = Family(
            np.concatenate([[everywhere.log_p], *(log[t] for log, t in zip(logs, there, strict=True))]),
            np.concatenate([[0], *depths]).astype(np.int64),
            np.concatenate([[everywhere.detail], *(one.detail[t] for one, t in zip(scanned, there, strict=True))]),
        )
        return [everywhere, *tested], family

    def _counts(self, one: Weighed, worse: int, bounds: Thresholds) -> bool:
        own = worse * one.own
        moved = own >= self._settings.smallest and own >= OWN * one.own_error
        return bool(moved and one.log_p <= bounds.cut(len(one.where), one.detail))

    def _explain(self, measure: Measure, tested: list[Weighed], bounds: Thresholds) -> list[Hit]:
        coded = self._coded
        without: NDArray[np.bool_] | None = None
        found: list[Hit] = []
        for _ in range(PEELS):
            sums = Sums.of(coded, measure, without)
            if without is not None:
                ((tested, _),) = self._pass([sums])
            good = [one for one in tested[1:] if self._counts(one, sums.worse, bounds)]
            if not good:
                break
            best = self._fitting(sums, good)
            rivals = tuple(one for one in sorted(good, key=lambda one: -one.z) if one.where != best.where)[:3]
            found.append(Hit(measure, sums, best, rivals))
            without = best.rows if without is None else without | best.rows
        if self._counts(tested[0], Sums.of(coded, measure).worse, bounds):
            found.append(Hit(measure, Sums.of(coded, measure, without), tested[0], ()))
        return found

    def _fitting(self, sums: Sums, good: Sequence[Weighed]) -> Weighed:
        """The slice whose parts all moved alike, and beyond which nothing moved.

        The slice that is most certain comes first. It is widened while what a wider one has besides moved like it, and
        narrowed where what a narrower one lacks stayed as it was.
        """
        best = max(good, key=lambda one: one.z**2 - 2 * len(one.where))
        while wider := self._best(best, good, wider=True, sums=sums):
            best = wider
        while narrower := self._best(best, good, wider=False, sums=sums):
            best = narrower
        return best

    def _best(self, one: Weighed, good: Sequence[Weighed], sums: Sums, *, wider: bool) -> Weighed | None:
        found = None
        for other in good:
            large, small = (other, one) if wider else (one, other)
            step = len(large.where) == len(small.where) - 1 and large.where.items() <= small.where.items()
            if not step or (found is not None and other.z <= found.z) or other.z**2 < NEARLY * one.z**2:
                continue
            rest: Rows = large.rows & ~small.rows
            value, error = contrast_of(self._coded, sums, rest, ~large.rows, small.weights)
            if not error:
                continue
            apart, alone = abs(value - small.value) / error, abs(value) / error
            if (apart < alone and alone > STAYED) if wider else (alone < STAYED and apart > APART):
                found = other
        return found
