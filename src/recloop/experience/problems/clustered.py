"""The exact test of a few slices: the variance is a sum over users of what each adds; a heavy user counts once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri_exp, stdtr

from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.contrast import Contrast, Fit
from recloop.experience.problems.scan import Scanned, Side, Sums, detail, overdispersion

BLOCK = 4_000_000  # users × slices that are held at once


@dataclass(frozen=True, slots=True)
class Weighed:
    """A slice with its test.

    Attributes:
        where: the slice; empty for the whole.
        rows: (n,) the rows that it holds.
        at: first cell after.
        weights: (T,) of the contrast.
        value: inside minus outside, relative to the level of each.
        own: inside alone, relative to its level.
        own_error: its standard error.
        z: for the worse, as a normal number; -inf where too few users stand behind it.
        log_p: of the search.
        detail: see ``scan.detail``.
        inside, outside: sums by cell; ``outside`` is None for the whole.
        users: effective number behind ``value``.
    """

    where: dict[str, str]
    rows: NDArray[np.bool_]
    at: int
    weights: Floats
    value: float
    own: float
    own_error: float
    z: float
    log_p: float
    detail: float
    inside: Side
    outside: Side | None
    users: float


def weigh_slices(
    coded: Coded, sums: Sums, chosen: Sequence[tuple[Scanned, int]], contrast: Contrast, *, users: int
) -> list[Weighed]:
    """The test of the chosen slices against their complements.

    The contrast is linear in the ratios of the cells, so by the delta method (Deng, Knoblich, Lu, KDD 2018) it is a sum
    over users, each adding ``sum over cells of c / (X level) (y - R x)``, inside minus outside. Its variance is the sum
    of their squares: right however much one user has, before and after, inside and outside. It is never taken for less
    than that of independent slates with the spread of all cells together, which a few events after a change would
    understate, nor less than the days' own movement. Student's t with the effective number of users (Kish) turns it
    into a p-value.
    """
    by_user = [
        sparse.csr_array((one, (coded.user, coded.cell)), shape=(coded.users, coded.cells))
        for one in (sums.y, sums.base)
    ]
    found: list[Weighed] = []
    block = max(1, BLOCK // max(coded.users, 1))
    for first in range(0, len(chosen), block):
        part = chosen[first : first + block]
        outer = [_scales(scanned.outside, scanned.fit.weights[place], place) for scanned, place in part]
        beyond = by_user[0] @ np.stack([g for g, _ in outer], 1) - by_user[1] @ np.stack([h for _, h in outer], 1)
        for k, (scanned, place) in enumerate(part):
            rows = scanned.cuboid.codes == place
            g, h = _scales(scanned.inside, scanned.fit.weights[place], place)
            own = _per_user(coded, sums, rows, g, h)
            apart = _per_user(coded, sums, rows, g + outer[k][0], h + outer[k][1]) - beyond[:, k]
            inside, outside = _one(scanned.inside, place), _one(scanned.outside, place)
            found.append(
                _weighed(
                    scanned.cuboid.slices[place], rows, scanned.fit, place, inside, outside, own, apart,
                    float(scanned.own[place]), sums, contrast, users, float(scanned.detail[place]),
                )
            )  # fmt: skip
    return found


def weigh_whole(coded: Coded, sums: Sums, whole: Side, contrast: Contrast, *, users: int) -> Weighed:
    """The test of the whole: it has no complement, so the days' own movement decides how sure a change is."""
    precision = 1.0 / whole.variance
    fit = contrast.fit(np.where(precision > 0, whole.ratio / whole.level[:, None], 0.0), precision, sums.worse)
    rows = np.ones(coded.user.size, bool)
    psi = _per_user(coded, sums, rows, *_scales(whole, fit.weights[0], 0))
    value = float(fit.value[0])
    return _weighed({}, rows, fit, 0, whole, None, psi, psi, value, sums, contrast, users, float(detail(whole)[0]))


def _weighed(
    where: dict[str, str],
    rows: NDArray[np.bool_],
    fit: Fit,
    place: int,
    inside: Side,
    outside: Side | None,
    own: Floats,
    apart: Floats,
    own_value: float,
    sums: Sums,
    contrast: Contrast,
    users: int,
    sharp: float,
) -> Weighed:
    squares = apart * apart
    variance = float(squares.sum())
    effective = variance**2 / float((squares * squares).sum()) if variance > 0 else 0.0
    precision = float(fit.precision[place])
    day = overdispersion(float(fit.rest[place]), fit.free)
    if outside is None and fit.free:  # nothing takes the days' own movement away, so all of it counts
        day = max(day, float(fit.rest[place]) / fit.free)
    floor = day / precision if precision > 0 else np.inf
    value = float(fit.value[place])
    t = sums.worse * value / max(max(variance, floor) ** 0.5, 1e-300)
    freedom = max(effective - 1, 1.0)
    if outside is None and fit.free and floor > variance:
        freedom = min(freedom, fit.free)
    z = _normal(t, freedom) if effective >= users else -np.inf
    own_floor = float(
        (fit.weights[place] ** 2 * np.where(np.isfinite(inside.variance[0]), inside.variance[0], 0)).sum()
    )
    return Weighed(
        where=where,
        rows=rows,
        at=int(fit.at[place]),
        weights=fit.weights[place],
        value=value,
        own=own_value,
        own_error=max(float((own * own).sum()), own_floor) ** 0.5,
        z=z,
        log_p=float(contrast.log_p(np.array([z]), fit.at[place : place + 1])[0]) if np.isfinite(z) else 0.0,
        detail=sharp,
        inside=inside,
        outside=outside,
        users=effective,
    )


def _normal(t: float, freedom: float) -> float:
    """The normal number that is as rare as a t."""
    if t <= 0:
        return t
    p = float(stdtr(freedom, -t))
    return float(-ndtri_exp(np.log(p))) if p > 0 else min(t, 37.0)


def _scales(one: Side, weights: Floats, place: int) -> tuple[Floats, Floats]:
    """(T,) what a unit of numerator and of denominator in each cell adds to the contrast."""
    x = one.x[place]
    g = np.divide(weights, x * one.level[place], out=np.zeros_like(x), where=x > 0)
    return g, g * one.ratio[place]


def _per_user(coded: Coded, sums: Sums, rows: NDArray[np.bool_], g: Floats, h: Floats) -> Floats:
    at = np.flatnonzero(rows)
    cell = coded.cell[at]
    each = g[cell] * sums.y[at] - h[cell] * sums.base[at]
    return np.bincount(coded.user[at], each, coded.users).astype(np.float64, copy=False)


def _one(many: Side, place: int) -> Side:
    part = slice(place, place + 1)
    return Side(many.y[part], many.x[part], many.level[part], many.spread[part])
