from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.stats.comoments import Comoments

Floats = NDArray[np.float64]


class Cell(NamedTuple):
    """Users who are alike: of one variant, first exposed on one day (days since 1970), in the same segments."""

    variant: str
    day: int | None = None
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """All that an analysis needs of the users, cell by cell: counts, sums and sums of products, which add up.

    Sums are taken around one provisional centre per column, so that adding cells is adding numbers, and large values
    lose no figures.

    Args:
        columns: names of the d columns.
        pairs: places of the two columns of each product, p of them.
        segments: names of the columns by which effects are shown apart.
        cells: who is meant.
        n: (cells,) users.
        centre: (d,) what was subtracted from each column.
        first: (cells, d) sums of the columns less their centre.
        second: (cells, p) sums of the products of two such.
        caps: column → value at which it was capped.
    """

    columns: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    segments: tuple[str, ...]
    cells: tuple[Cell, ...]
    n: NDArray[np.int64]
    centre: Floats
    first: Floats
    second: Floats
    caps: Mapping[str, float]

    def __add__(self, other: Self) -> Self:
        """The sums of both; no user may be in both.

        Raises:
            DataError: they hold different columns, or were capped at different values.
        """
        if (self.columns, self.pairs, self.segments) != (other.columns, other.pairs, other.segments):
            raise DataError("sums of different columns do not add up", advice="make both by the same plan")
        if dict(self.caps) != dict(other.caps):
            raise DataError("sums that were capped at different values do not add up", advice="pass caps to scan")
        cells = tuple(sorted({*self.cells, *other.cells}, key=_order))
        place = {cell: row for row, cell in enumerate(cells)}
        n = np.zeros(len(cells), np.int64)
        first = np.zeros((len(cells), len(self.columns)))
        second = np.zeros((len(cells), len(self.pairs)))
        for part in (self, other._around(self.centre)):
            rows = [place[cell] for cell in part.cells]
            n[rows] += part.n
            first[rows] += part.first
            second[rows] += part.second
        return type(self)(self.columns, self.pairs, self.segments, cells, n, self.centre, first, second, self.caps)

    def users(self, where: NDArray[np.bool_] | None = None) -> int:
        """How many."""
        return int(self.n.sum() if where is None else self.n[where].sum())

    def of(self, variant: str) -> NDArray[np.bool_]:
        """(cells,) those of a variant."""
        return np.array([cell.variant == variant for cell in self.cells], dtype=bool)

    def in_segment(self, segment: str, value: str) -> NDArray[np.bool_]:
        """(cells,) those in which a segment has a value."""
        place = self.segments.index(segment)
        return np.array([cell.segments[place] == value for cell in self.cells], dtype=bool)

    def until(self, day: int) -> NDArray[np.bool_]:
        """(cells,) those of users who came until a day."""
        return np.array([cell.day is not None and cell.day <= day for cell in self.cells], dtype=bool)

    @property
    def days(self) -> tuple[int, ...]:
        """The days on which users came, in order."""
        return tuple(sorted({cell.day for cell in self.cells if cell.day is not None}))

    def values(self, segment: str) -> tuple[str, ...]:
        """What a segment is, most users first."""
        place = self.segments.index(segment)
        counts: dict[str, int] = {}
        for cell, n in zip(self.cells, self.n.tolist(), strict=True):
            counts[cell.segments[place]] = counts.get(cell.segments[place], 0) + n
        return tuple(sorted(counts, key=lambda value: (-counts[value], value)))

    def comoments(self, columns: Sequence[str], where: NDArray[np.bool_]) -> Comoments:
        """Of some columns, over the users of some cells."""
        places = [self.columns.index(name) for name in columns]
        n = self.users(where)
        if not n:
            return Comoments(0, np.zeros(len(places)), np.zeros((len(places), len(places))))
        first = self.first[where].sum(axis=0)[places]
        sums = self.second[where].sum(axis=0)
        found = {pair: float(sums[row]) for row, pair in enumerate(self.pairs)}
        products = np.array([[found[min(i, j), max(i, j)] for j in places] for i in places])
        centred = products - np.outer(first, first) / n
        # what is left of a square after subtraction is noise below this share of it
        noise = 1e-13 * np.sqrt(np.outer(np.diag(products), np.diag(products)))
        centred[np.abs(centred) <= noise] = 0.0
        return Comoments(n, self.centre[places] + first / n, centred)

    def _around(self, centre: Floats) -> Self:
        """The same sums around another centre."""
        if np.array_equal(centre, self.centre):
            return self
        moved = centre - self.centre
        n = self.n[:, None]
        i, j = np.array(self.pairs).T
        second = self.second - moved[i] * self.first[:, j] - moved[j] * self.first[:, i] + n * moved[i] * moved[j]
        return type(self)(
            self.columns,
            self.pairs,
            self.segments,
            self.cells,
            self.n,
            centre,
            self.first - n * moved,
            second,
            self.caps,
        )


def _order(cell: Cell) -> tuple[str, int, tuple[str, ...]]:
    return cell.variant, -1 if cell.day is None else cell.day, cell.segments
