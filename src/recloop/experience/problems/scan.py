"""Every slice against its complement, by sums alone: what is worth a closer look, and where the change lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.contrast import Contrast, Fit
from recloop.experience.problems.cube import Cuboid
from recloop.experience.problems.measures import Measure

SPARSE = 0.5  # part of the rows that are not zero below which only they are summed
OVERDISPERSION = 10.0  # days of a variance of one, to which that of the rest is shrunk


class Side(NamedTuple):
    """Sums of a metric over cells, and what follows from them; S rows, T cells.

    Attributes:
        y, x: (S, T) numerator and denominator.
        level: (S,) pooled ratio that the values are relative to; 1 where the metric may be negative.
        spread: (S,) variance of the ratio per unit of the denominator, slates taken as independent: a floor, no more.
    """

    y: Floats
    x: Floats
    level: Floats
    spread: Floats

    @property
    def ratio(self) -> Floats:
        """(S, T) the metric by cell, 0 where there is none."""
        return np.divide(self.y, self.x, out=np.zeros_like(self.y), where=self.x > 0)

    @property
    def variance(self) -> Floats:
        """(S, T) of ``ratio / level``, infinite where there is none."""
        scale = (self.spread / self.level**2)[:, None]
        return np.divide(scale, self.x, out=np.full_like(self.x, np.inf), where=self.x > 0)


def side(y: Floats, x: Floats, squares: Sequence[Floats], *, relative: bool) -> Side:
    """A side from its sums; ``squares`` are those of y y, x y and x x."""
    total_y, total_x = y.sum(axis=1), x.sum(axis=1)
    ratio = np.divide(total_y, total_x, out=np.zeros_like(total_y), where=total_x > 0)
    yy, xy, xx = squares
    rest = np.maximum(yy - 2 * ratio * xy + ratio**2 * xx, 0.0)
    spread = np.divide(rest, total_x, out=np.zeros_like(rest), where=total_x > 0)
    level = np.where(ratio > 0, ratio, 1.0) if relative else np.ones_like(ratio)
    return Side(y, x, level, np.maximum(spread, 1e-12))


@dataclass(frozen=True, slots=True)
class Scanned:
    """The slices of one cuboid for one metric.

    Attributes:
        inside, outside: slice and complement.
        fit: of inside minus outside, each relative to its level.
        own: (S,) the contrast inside alone.
        z: (S,) how many standard errors for the worse, slates taken as independent; -inf where it is too small.
        tested: how many were large enough.
        detail: (S,) see ``detail``.
    """

    cuboid: Cuboid
    inside: Side
    outside: Side
    fit: Fit
    own: Floats
    z: Floats
    tested: int
    detail: Floats


@dataclass(frozen=True, slots=True)
class Sums:
    """A metric's columns with the rows that are left out set to zero.

    Attributes:
        measure: the metric.
        y, x: (n,) numerator and denominator.
        base: (n,) what ``y`` is judged by: ``x``, or ``x`` times what the user did earlier, relative to all.
        relative: whether changes are relative to the level.
    """

    measure: Measure
    y: Floats
    x: Floats
    base: Floats
    relative: bool

    @classmethod
    def of(cls, coded: Coded, measure: Measure, without: NDArray[np.bool_] | None = None) -> "Sums":
        """The columns of a metric, without some rows."""
        y, x = coded.sums[measure.metric.id]
        base = coded.expected.get(measure.metric.id, x)
        relative = not bool((y < 0).any())
        if without is not None:
            y, x, base = (np.where(without, 0.0, one) for one in (y, x, base))
        return cls(measure, y, x, base, relative)

    @property
    def worse(self) -> int:
        """The sign of a change for the worse."""
        return 1 if self.measure.bad == "up" else -1

    @property
    def counts(self) -> bool:
        """Whether the numerator counts events; else the denominator does."""
        return self.measure.metric.form == "percent" or self.measure.metric.unit == "per slate"


class _Columns:
    """The columns of several metrics, those that are the same once, and where they are not zero."""

    def __init__(self, coded: Coded) -> None:
        self._coded = coded
        self._filled: dict[int, tuple[Floats, NDArray[np.int64] | None]] = {}

    def add(self, column: Floats) -> int:
        """Its name."""
        if id(column) not in self._filled:
            at = np.flatnonzero(column)
            self._filled[id(column)] = (column, at if at.size < SPARSE * column.size else None)
        return id(column)

    def by_cell(self, cuboid: Cuboid) -> Callable[[int], Floats]:
        """Column → (S, T) its sums over the slices of a cuboid, each made once."""
        cells, slices = self._coded.cells, len(cuboid.slices)
        flat = cuboid.codes.astype(np.int64) * cells + self._coded.cell
        made: dict[int, Floats] = {}

        def sums(name: int) -> Floats:
            if name not in made:
                column, at = self._filled[name]
                where, what = (flat, column) if at is None else (flat[at], column[at])
                total = np.bincount(where, what, (slices + 1) * cells)[: slices * cells]
                made[name] = total.reshape(slices, cells).astype(np.float64, copy=False)
            return made[name]

        return sums


def scan(
    coded: Coded,
    metrics: Sequence[Sums],
    cuboids: Sequence[Cuboid],
    contrast: Contrast,
    *,
    events: int,
    advance: Callable[[float], None] = lambda _: None,
) -> list[tuple[Side, list[Scanned]]]:
    """Of each metric the whole, and every slice against its complement.

    Args:
        coded: the rows.
        metrics: what is looked at.
        cuboids: the slices.
        contrast: what is held against what.
        events: expected events that a slice needs on either side.
        advance: told 1 after each cuboid.
    """
    columns = _Columns(coded)
    asked: list[tuple[Sums, list[int], list[Floats], Side]] = []
    known: dict[int, bool] = {}
    for sums in metrics:
        ones = [known.setdefault(id(one), bool(((one == 0) | (one == 1)).all())) for one in (sums.y, sums.base)]
        # a one squared is itself, and nothing is counted where nothing was shown: then the sums are there already
        squared = (
            sums.y if ones[0] else sums.y * sums.y,
            sums.y if ones[1] else sums.base * sums.y,
            sums.x if ones[1] else sums.base * sums.base,
        )
        names = [columns.add(one) for one in (sums.y, sums.base, *squared)]
        cells = [np.bincount(coded.cell, one, coded.cells)[None].astype(np.float64) for one in (sums.y, sums.base)]
        totals = [*cells, *(np.array([one.sum()]) for one in squared)]
        asked.append((sums, names, totals, side(totals[0], totals[1], totals[2:], relative=sums.relative)))
    found: list[list[Scanned]] = [[] for _ in asked]
    for cuboid in cuboids:
        by_cell = columns.by_cell(cuboid)
        for place, (sums, names, totals, _) in enumerate(asked):
            y, x, *squares = (by_cell(name) for name in names)
            parts = [y, x, *(one.sum(axis=1) for one in squares)]
            rest = [total - one for total, one in zip(totals, parts, strict=True)]
            inside = side(y, x, parts[2:], relative=sums.relative)
            outside = side(rest[0], rest[1], rest[2:], relative=sums.relative)
            found[place].append(_scanned(cuboid, inside, outside, sums, contrast, events))
        advance(1)
    return [(whole, one) for (*_, whole), one in zip(asked, found, strict=True)]


def _scanned(cuboid: Cuboid, inside: Side, outside: Side, sums: Sums, contrast: Contrast, events: int) -> Scanned:
    precision = 1.0 / (inside.variance + outside.variance)
    apart = inside.ratio / inside.level[:, None] - outside.ratio / outside.level[:, None]
    fit = contrast.fit(np.where(precision > 0, apart, 0.0), precision, sums.worse)
    own = (fit.weights * inside.ratio).sum(axis=1) / inside.level
    enough = np.ones(len(own), bool)
    # what does not happen at all in the complement may still be expected there, at the rate of all
    own_rate = inside.y.sum(axis=1) / np.maximum(inside.x.sum(axis=1), 1e-12)
    all_y, all_x = inside.y + outside.y, inside.x + outside.x
    rates = (own_rate, all_y.sum(axis=1) / np.maximum(all_x.sum(axis=1), 1e-12))
    for one, rate in zip((inside, outside), rates, strict=True):
        after = np.arange(one.x.shape[1]) >= fit.at[:, None]
        for seen in ((one.x * after).sum(axis=1), (one.x * ~after).sum(axis=1)):
            enough &= seen * (rate if sums.counts else 1.0) >= events
    z = np.where(enough & (fit.precision > 0), sums.worse * fit.value * np.sqrt(fit.precision), -np.inf)
    return Scanned(cuboid, inside, outside, fit, own, z, int(enough.sum()), detail(inside, outside))


def detail(*sides: Side) -> Floats:
    """(S,) standard error of a relative change half-way through, slates taken as independent: what could be told.

    It hangs on how many slates there are and how they spread, not on whether anything changed.
    """
    halves = [
        np.divide(
            one.spread, one.level**2 * one.x.sum(axis=1), out=np.full(len(one.x), np.inf), where=one.x.sum(axis=1) > 0
        )
        for one in sides
    ]
    return np.asarray(2 * np.sqrt(np.sum(halves, axis=0)))


def overdispersion(rest: float, free: int) -> float:
    """How much more the days move than slates taken as independent allow; never below 1.

    >>> overdispersion(60.0, 20), overdispersion(10.0, 20)
    (2.333..., 1.0)
    """
    return max(1.0, (rest + OVERDISPERSION) / (free + OVERDISPERSION)) if free else 1.0
