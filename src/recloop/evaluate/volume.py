"""How much better than a reference point a whole front is: one number for the course and the worth of a search."""

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError
from recloop.evaluate.pareto import front


def hypervolume(merits: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """The volume that points dominate above a reference point; higher merits are better.

    Exact. Zitzler & Thiele 1998, "Multiobjective optimization using evolutionary algorithms", PPSN V; by exclusive
    volumes of points sorted by the last axis (While, Bradstreet & Barone 2012, "A fast way of calculating exact
    hypervolumes", IEEE TEC 16).

    Args:
        merits: (s, d); rows with NaN, and points that do not exceed the reference on every axis, add nothing.
        reference: (d,).

    Raises:
        SettingError: the reference has another number of axes.

    >>> hypervolume(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]), np.zeros(2))
    6.0
    """
    points = np.asarray(merits, dtype=np.float64)
    low = np.asarray(reference, dtype=np.float64)
    if points.ndim != 2 or low.shape != points.shape[1:]:
        raise SettingError(
            f"the reference point has {low.size} axes and the points {points.shape[1:]}", allowed="they need the same"
        )
    above = points[(points > low).all(axis=1)] - low  # a comparison with NaN is false
    return _volume(_distinct(above))


def _distinct(points: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.unique(points, axis=0)
    return points[front(points)] if len(points) else points


def _volume(points: NDArray[np.float64]) -> float:
    s, d = points.shape
    if not s:
        return 0.0
    if d == 1:
        return float(points.max())
    if s == 1:
        return float(points[0].prod())
    order = np.argsort(-points[:, 0], kind="stable")
    points = points[order]
    if d == 2:
        heights = np.maximum.accumulate(points[:, 1])
        rises = np.diff(np.concatenate([[0.0], heights]))
        return float((points[:, 0] * rises).sum())
    total = 0.0
    for at in range(s):  # what each point has alone, beside those after it
        rest = np.minimum(points[at + 1 :], points[at])
        total += float(points[at].prod()) - _volume(_distinct(rest))
    return total
