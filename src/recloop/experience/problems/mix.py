"""Mix against rate: how much of a change is only that other traffic came."""

from typing import NamedTuple

import numpy as np

from recloop.experience.problems.coded import INTERVENTIONS, Coded
from recloop.experience.problems.rows import Rows
from recloop.experience.problems.scan import Sums


class Mix(NamedTuple):
    """The dimension whose shares explain most of a change.

    Attributes:
        dimension: its name; empty where there is none.
        share: part of the change that the shares explain; the rest are the rates.
        moved: the value whose share of the denominator moved most.
        before, after: that share.
    """

    dimension: str
    share: float
    moved: str
    before: float
    after: float


def mix(coded: Coded, sums: Sums, rows: Rows, at: int, known: dict[str, str]) -> Mix:
    """The change of a ratio among rows, split along every dimension that does not define them.

    With shares ``w`` of the denominator and rates ``R`` of each value, the change is::

        sum (w1 - w0) (R0 + R1) / 2   +   sum (w0 + w1) / 2 (R1 - R0)
        mix                               rate

    A value that was not there before has no rate to compare; it is given that of all, so that what it brings is rate: a
    new version that is worse is a regression.

    Source: E. M. Kitagawa, "Components of a difference between two rates", JASA 50 (1955).

    Args:
        coded: the rows.
        sums: a metric.
        rows: those of the slice.
        at: first cell after.
        known: the slice.
    """
    after = coded.cell[rows] >= at
    y, x = sums.y[rows], sums.x[rows]
    best = Mix("", 0.0, "", 0.0, 0.0)
    totals = [(float(y[s].sum()), float(x[s].sum())) for s in (~after, after)]
    if not all(one[1] > 0 for one in totals):
        return best
    rates = [a / b for a, b in totals]
    change = rates[1] - rates[0]
    if not change:
        return best
    for one in coded.dimensions:
        if one.name in known or one.name in INTERVENTIONS:
            continue
        codes, n = one.codes[rows], len(one.values)
        xs = [np.bincount(codes[s], x[s], n) for s in (~after, after)]
        ys = [np.bincount(codes[s], y[s], n) for s in (~after, after)]
        shares = [part / part.sum() for part in xs]
        rate = [np.divide(b, a, out=np.full(n, r), where=a > 0) for a, b, r in zip(xs, ys, rates, strict=True)]
        there = (xs[0] > 0).astype(np.float64)
        moved = shares[1] - shares[0]
        part = float((moved * np.where(there > 0, (rate[0] + rate[1]) / 2, rates[0])).sum()) / change
        if part > best.share:
            most = int(np.abs(moved).argmax())
            best = Mix(one.name, part, one.values[most], float(shares[0][most]), float(shares[1][most]))
    return best
