"""The search through all slices and metrics, and what remains of it: the slices that explain, nested ones pruned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.experience.problems.clustered import Tested, test_slices, test_whole
from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.contrast import Contrast
from recloop.experience.problems.cube import Cuboid
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.rows import Rows, contrast_of
from recloop.experience.problems.scan import Scanned, Sums, scan
from recloop.experience.problems.settings import Settings

CLOSER = np.log(1e-3)  # log p, slates taken as independent, from which a slice is looked at closely
CLOSEST = 300  # slices of a metric that are
PEELS = 6  # problems of one metric
OWN = 2.0  # standard errors by which a slice must itself have moved for the worse


@dataclass(frozen=True, slots=True)
class Hit:
    """A slice that explains a change of a metric, and its rivals among the slices that were found with it."""

    measure: Measure
    sums: Sums
    tested: Tested
    rivals: tuple[Tested, ...]


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
        self._found: dict[str, tuple[Measure, list[Tested]]] = {}
        self.wholes: dict[str, Tested] = {}

    def look(self, measures: Mapping[str, Measure]) -> None:
        """Test every slice for every metric."""
        for name, measure in measures.items():
            tested, family = self._pass(Sums.of(self._coded, measure))
            self.wholes[name] = tested[0]
            self.families.append(family)
            self._found[name] = (measure, tested)

    @property
    def tests(self) -> int:
        """Slices × metrics that were tested."""
        return sum(one.logs.size for one in self.families)

    def hits(self, cuts: Floats) -> list[Hit]:
        """The slices that explain."""
        return [hit for measure, tested in self._found.values() for hit in self._explain(measure, tested, cuts)]

    def _pass(self, sums: Sums) -> tuple[list[Tested], Family]:
        settings = self._settings
        whole, scanned = scan(self._coded, sums, self._cuboids, self._contrast, events=settings.events)
        everywhere = test_whole(self._coded, sums, whole, self._contrast, users=settings.users)
        logs = [self._contrast.log_p(one.z) for one in scanned]
        order = sorted(
            (
                (float(log[place]), k, place)
                for k, (one, log) in enumerate(zip(scanned, logs, strict=True))
                for place in np.flatnonzero((log < CLOSER) & (sums.worse * one.own > 0)).tolist()
            ),
        )[:CLOSEST]
        chosen: list[tuple[Scanned, int]] = [(scanned[k], place) for _, k, place in order]
        tested = test_slices(self._coded, sums, chosen, self._contrast, users=settings.users)
        for (_, k, place), one in zip(order, tested, strict=True):
            logs[k][place] = one.log_p
        there = [np.isfinite(one.z) for one in scanned]
        depths = [np.full(int(t.sum()), len(one.cuboid.slices[0])) for one, t in zip(scanned, there, strict=True)]
        family = Family(
            np.concatenate([[everywhere.log_p], *(log[t] for log, t in zip(logs, there, strict=True))]),
            np.concatenate([[0], *depths]).astype(np.int64),
        )
        return [everywhere, *tested], family

    def _counts(self, one: Tested, worse: int, cuts: Floats) -> bool:
        own = worse * one.own
        moved = own >= self._settings.smallest and own >= OWN * one.own_error
        return bool(moved and one.log_p <= cuts[len(one.where)])

    def _explain(self, measure: Measure, tested: list[Tested], cuts: Floats) -> list[Hit]:
        coded = self._coded
        without: NDArray[np.bool_] | None = None
        found: list[Hit] = []
        for _ in range(PEELS):
            sums = Sums.of(coded, measure, without)
            if without is not None:
                tested, _ = self._pass(sums)
            good = [one for one in tested[1:] if self._counts(one, sums.worse, cuts)]
            if not good:
                break
            best = self._general(sums, max(good, key=lambda one: one.z**2 - 2 * len(one.where)), good)
            rivals = tuple(one for one in sorted(good, key=lambda one: -one.z) if one.where != best.where)[:3]
            found.append(Hit(measure, sums, best, rivals))
            without = best.rows if without is None else without | best.rows
        if self._counts(tested[0], Sums.of(coded, measure).worse, cuts):
            found.append(Hit(measure, Sums.of(coded, measure, without), tested[0], ()))
        return found

    def _general(self, sums: Sums, best: Tested, good: Sequence[Tested]) -> Tested:
        """The widest slice of which all parts moved alike: fewer words that explain as much."""
        while len(best.where) > 1:
            wider = None
            for parent in good:
                if len(parent.where) == len(best.where) - 1 and parent.where.items() <= best.where.items():
                    rest: Rows = parent.rows & ~best.rows
                    value, error = contrast_of(self._coded, sums, rest, ~parent.rows, best.weights)
                    if error > 0 and abs(value - best.value) < abs(value):
                        wider = parent if wider is None or parent.z > wider.z else wider
            if wider is None:
                return best
            best = wider
        return best
