"""One contrast of any two sets of rows, with the user as the unit."""

import numpy as np
from numpy.typing import NDArray

from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.scan import Sums

Rows = NDArray[np.bool_]


def contrast_of(coded: Coded, sums: Sums, inside: Rows, outside: Rows | None, weights: Floats) -> tuple[float, float]:
    """The contrast of the rows inside, minus that outside where it is given, each relative to its level.

    Args:
        coded: the rows.
        sums: a metric.
        inside: (n,) rows.
        outside: (n,) rows; None for the contrast inside alone.
        weights: (T,) of the cells.

    Returns:
        value and standard error over users; (0, 0) where a cell that counts is empty.
    """
    total, psi = 0.0, np.zeros(coded.users)
    for sign, rows in ((1.0, inside), (-1.0, outside)):
        if rows is None:
            continue
        at = np.flatnonzero(rows & (sums.x != 0))
        cell, user = coded.cell[at], coded.user[at]
        y, x = (np.bincount(cell, one[at], coded.cells) for one in (sums.y, sums.x))
        counted = weights * (x > 0)
        if not x.sum() or not (counted > 0).any() or not (counted < 0).any():
            return 0.0, 0.0
        # a day without slates is no day: the others carry its weight
        shape = np.where(counted > 0, counted / counted[counted > 0].sum(), 0.0)
        shape += np.where(counted < 0, counted / -counted[counted < 0].sum(), 0.0)
        shape *= weights[weights > 0].sum()
        ratio = np.divide(y, x, out=np.zeros_like(y), where=x > 0)
        level = float(y.sum() / x.sum()) if sums.relative else 1.0
        level = level if level > 0 else 1.0
        g = np.divide(sign * shape, x * level, out=np.zeros_like(x), where=x > 0)
        total += float((g * y).sum())
        psi += np.bincount(user, g[cell] * sums.y[at] - (g * ratio)[cell] * sums.x[at], coded.users)
    return total, float((psi * psi).sum()) ** 0.5
