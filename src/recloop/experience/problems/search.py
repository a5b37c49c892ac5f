"""The search through all slices and metrics, and what remains of it: the slices that explain, nested ones pruned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.experience.problems.clustered import Weighed, weigh_slices, weigh_whole
from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.contrast import Contrast
from recloop.experience.problems.cube import Cuboid
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.rows import Rows, contrast_of
from recloop.experience.problems.scan import Scanned, Side, Sums, scan
from recloop.experience.problems.settings import Settings

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


@dataclass(frozen=True, slots=True)
class Family:
    """Log p-values of one metric: of the whole, and of every slice by its depth."""

    logs: Floats
    depths: NDArray[np.int64]


class Thresholds:
    """When a p-value counts, over all slices and metrics.

    Benjamini and Hochberg's false discovery rate, weighted (C. Genovese, K. Roeder, L. Wasserman, "False discovery
    control with p-value weighting", Biometrika 93 (2006)): each depth has the same part of the error, so that the many
    slices of three dimensions do not hide a change of one. It is used twice: once over all slices, for what is worth
    explaining, and once over what explains. A problem drags hundreds of overlapping slices along; counted as findings
    each would allow for false ones elsewhere, so in the second round it counts once.

    Args:
        families: of all metrics.
        alpha: accepted share of false findings.
        depth: most dimensions of a slice.
    """

    def __init__(self, families: Sequence[Family], alpha: float, depth: int) -> None:
        logs = np.concatenate([np.zeros(0), *(one.logs for one in families)])
        depths = np.concatenate([np.zeros(0, np.int64), *(one.depths for one in families)]).astype(np.int64)
        sizes = np.bincount(depths, minlength=depth + 1).astype(np.float64)
        used = max(int((sizes > 0).sum()), 1)
        self.tests = logs.size
        self._alpha = alpha
        self._weights = np.log(np.divide(logs.size / used, sizes, out=np.ones(depth + 1), where=sizes > 0))
        self.first = self._cut(logs, depths) + self._weights

    def _cut(self, logs: Floats, depths: NDArray[np.int64]) -> float:
        weighted = np.sort(logs - self._weights[depths])
        levels = np.log(self._alpha * np.arange(1, weighted.size + 1) / max(self.tests, 1))
        passed = np.flatnonzero(weighted <= levels)
        return float(levels[passed[-1]] if passed.size else levels[0] if levels.size else -np.inf)

    def final(self, logs: Sequence[float], depths: Sequence[int]) -> NDArray[np.bool_]:
        """Which of the explaining slices are findings."""
        given, at = np.asarray(logs, np.float64), np.asarray(depths, np.int64)
        return np.asarray(given - self._weights[at] <= self._cut(given, at)) if given.size else np.zeros(0, bool)


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

    def hits(self, cuts: Floats) -> list[Hit]:
        """The slices that explain."""
        return [hit for measure, tested in self._found.values() for hit in self._explain(measure, tested, cuts)]

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
        logs = [self._contrast.log_p(one.z) for one in scanned]
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
        )
        return [everywhere, *tested], family

    def _counts(self, one: Weighed, worse: int, cuts: Floats) -> bool:
        own = worse * one.own
        moved = own >= self._settings.smallest and own >= OWN * one.own_error
        return bool(moved and one.log_p <= cuts[len(one.where)])

    def _explain(self, measure: Measure, tested: list[Weighed], cuts: Floats) -> list[Hit]:
        coded = self._coded
        without: NDArray[np.bool_] | None = None
        found: list[Hit] = []
        for _ in range(PEELS):
            sums = Sums.of(coded, measure, without)
            if without is not None:
                ((tested, _),) = self._pass([sums])
            good = [one for one in tested[1:] if self._counts(one, sums.worse, cuts)]
            if not good:
                break
            best = self._fitting(sums, good)
            rivals = tuple(one for one in sorted(good, key=lambda one: -one.z) if one.where != best.where)[:3]
            found.append(Hit(measure, sums, best, rivals))
            without = best.rows if without is None else without | best.rows
        if self._counts(tested[0], Sums.of(coded, measure).worse, cuts):
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
