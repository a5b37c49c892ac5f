"""Caps: at most so many items of a kind on a slate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose.business.settings import Cap
from recloop.compose.catalogue import Catalogue
from recloop.errors import SettingError


@dataclass(frozen=True, eq=False)
class Limit:
    """A cap over the items of one catalogue.

    Attributes:
        groups: (n_items, j) int32 the capped groups of each item, padded with ``n_groups``.
        n_groups: how many there are.
        most: items of each.
    """

    groups: NDArray[np.int32]
    n_groups: int
    most: int

    @classmethod
    def of(cls, rule: Cap, catalogue: Catalogue) -> "Limit":
        """The cap that a rule describes.

        Raises:
            SettingError: there is no such column, or none of the values is in it.

        >>> catalogue = Catalogue(pl.DataFrame({"item": ["a", "b"], "category": ["war|drama", "drama"]}))
        >>> Limit.of(Cap(name="c", most=1), catalogue).groups.tolist()
        [[0, 1], [0, 2]]
        """
        who = f"the rule '{rule.name}'"
        if rule.column == "category":
            facets = catalogue.filters.facets
            names, (rows, places) = facets.names, facets.held.nonzero()
        else:
            column = catalogue.column(rule.column, who).cast(pl.String).str.strip_chars().str.to_lowercase()
            names = tuple(column.drop_nulls().unique().sort().to_list())
            codes = column.replace_strict(list(names), list(range(len(names))), default=None, return_dtype=pl.Int64)
            rows = np.flatnonzero(codes.is_not_null().to_numpy()).astype(np.int32)
            places = codes.drop_nulls().to_numpy()
        if rule.values:
            wanted = {value.strip().lower() for value in rule.values}
            if missing := sorted(wanted - set(names)):
                raise SettingError(
                    f"{who} caps '{missing[0]}', which no item's '{rule.column}' is",
                    allowed=f"values of the column: {', '.join(names[:10])}{' …' * (len(names) > 10)}",
                )
            kept = np.isin(places, [place for place, name in enumerate(names) if name in wanted])
            rows, places = rows[kept], places[kept]
        if not names:
            raise SettingError(f"{who} caps '{rule.column}', which no item has", advice="give the catalogue values")
        return cls(_padded(rows, places, catalogue.items.height, len(names)), len(names), rule.most)


def _padded(rows: NDArray[np.integer], places: NDArray[np.integer], n: int, filler: int) -> NDArray[np.int32]:
    order = np.lexsort((places, rows))
    rows, places = rows[order], places[order]
    counts = np.bincount(rows, minlength=n)
    groups = np.full((n, max(1, int(counts.max(initial=0)))), filler, np.int32)
    starts = np.cumsum(counts) - counts
    groups[rows, np.arange(len(rows)) - starts[rows]] = places
    return groups


def capped(
    items: NDArray[np.int32],
    k: int,
    limits: Sequence[tuple[Limit, NDArray[np.bool_]]],
    pinned: NDArray[np.int32] | None = None,
) -> NDArray[np.int64]:
    """Which columns stay when each item must find room under all caps, from left to right.

    Args:
        items: (n, m) in order, -1 in padding.
        k: how many are wanted.
        limits: caps with the (n,) requests that each holds for.
        pinned: (n, p) items that have their place already and count, -1 for none.

    Returns:
        (n, k) int64 columns, -1 where no more items find room.

    >>> limit = Limit(np.array([[0], [0], [1]], np.int32), 2, 1)
    >>> capped(np.array([[0, 1, 2]], np.int32), 3, [(limit, np.ones(1, bool))]).tolist()
    [[0, 2, -1]]
    """
    n, m = items.shape
    if n == 1:
        active = [limit for limit, holds in limits if holds[0]]
        return _alone(items[0], k, active, () if pinned is None else pinned[0, pinned[0] >= 0].tolist())
    columns = np.full((n, k), -1, np.int64)
    filled = np.zeros(n, np.int64)
    counts = [np.zeros((n, limit.n_groups + 1), np.int32) for limit, _ in limits]
    each = np.arange(n)[:, None]
    if pinned is not None:
        for column in range(pinned.shape[1]):
            rows = np.flatnonzero(pinned[:, column] >= 0)
            for count, (limit, _) in zip(counts, limits, strict=True):
                count[rows[:, None], limit.groups[pinned[rows, column]]] += 1
    for column in range(m):
        item = items[:, column]
        room = (item >= 0) & (filled < k)
        for count, (limit, holds) in zip(counts, limits, strict=True):
            own = limit.groups[item]
            full = (count[each, own] >= limit.most) & (own < limit.n_groups)
            room &= ~(full.any(axis=1) & holds)
        rows = np.flatnonzero(room)
        columns[rows, filled[rows]] = column
        filled[rows] += 1
        for count, (limit, _) in zip(counts, limits, strict=True):
            count[rows[:, None], limit.groups[item[rows]]] += 1
        if (filled >= k).all():
            break
    return columns


def _alone(items: NDArray[np.int32], k: int, limits: Sequence[Limit], pinned: Sequence[int]) -> NDArray[np.int64]:
    """The same for one request, for which plain numbers are quicker than arrays of one."""
    counts = [[0] * (limit.n_groups + 1) for limit in limits]
    columns = np.full((1, k), -1, np.int64)
    groups = [limit.groups[np.maximum(items, 0)].tolist() for limit in limits]
    for item in pinned:
        for count, limit in zip(counts, limits, strict=True):
            for group in limit.groups[item].tolist():
                count[group] += 1
    kept = 0
    for column in np.flatnonzero(items >= 0).tolist():
        if kept == k:
            break
        own = [groups_of[column] for groups_of in groups]
        if any(
            count[group] >= limit.most and group < limit.n_groups
            for count, limit, mine in zip(counts, limits, own, strict=True)
            for group in mine
        ):
            continue
        for count, mine in zip(counts, own, strict=True):
            for group in mine:
                count[group] += 1
        columns[0, kept] = column
        kept += 1
    return columns
