import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.experiments.arms import Arms
from recloop.experiments.checks.check import Check
from recloop.experiments.words import change

TOP = 0.001  # share of users, of both arms together, that counts as the top
MOVES = 0.5  # standard errors by which one user may move the difference
SHIFTS = 1.0  # standard errors by which the top users may


@dataclass(frozen=True, slots=True)
class Influence:
    """How much of a difference hangs on few users.

    Args:
        estimate: treatment minus control, of all users.
        without_top: the same without the top users; those of both arms together, so that neither arm is cut deeper.
        top: how many they are.
        above: what each of them has more of than this: the numerator of the metric.
        error: standard error of the estimate.
        user: the one whose leaving moves the estimate most.
        moved: by how much, signed: the estimate without the user, minus the estimate.
    """

    estimate: float
    without_top: float
    top: int
    above: float
    error: float
    user: str
    moved: float


def influence(arms: Arms, metric: str, treatment: str, control: str) -> Influence:
    """The difference without the top 0.1% of users, and the one user who moves it most.

    Exact, without fitting again: the mean or ratio without user i is (sum of y - y_i) / (sum of x - x_i).
    """
    frames = [arms.frames[name] for name in (treatment, control)]
    columns = [_columns(arms, metric, name) for name in (treatment, control)]
    everyone = np.concatenate([y for y, _ in columns])
    count = int(np.ceil(TOP * everyone.size))
    above = float(np.partition(everyone, -count - 1)[-count - 1])  # ties at the cut stay: a share has no top
    kept = [y <= above for y, _ in columns]
    trimmed = [_ratio(y[keep], x[keep]) for (y, x), keep in zip(columns, kept, strict=True)]
    moves = [_moves(*columns[0]), -_moves(*columns[1])]
    places = [int(np.abs(move).argmax()) for move in moves]
    side = max((0, 1), key=lambda i: abs(moves[i][places[i]]))
    return Influence(
        estimate=_ratio(*columns[0]) - _ratio(*columns[1]),
        without_top=trimmed[0] - trimmed[1],
        top=sum(int((~keep).sum()) for keep in kept),
        above=above,
        error=sum(arms.plain(metric, name).estimate().variance for name in (treatment, control)) ** 0.5,
        user=str(frames[side]["user"][places[side]]),
        moved=float(moves[side][places[side]]),
    )


def outliers(arms: Arms, metric: str, pairs: tuple[tuple[str, str], ...]) -> Check:
    """Whether a few users, or one, make the difference: bots, resellers, a broken counter."""
    means = arms.metrics[metric]
    said = []
    for treatment, control in pairs:
        if arms.incomparable(metric, treatment, control):
            continue
        found = influence(arms, metric, treatment, control)
        if not found.error > 0:
            continue
        one, top = abs(found.moved) / found.error, abs(found.without_top - found.estimate) / found.error
        if one > MOVES:
            said.append(
                f"user {found.user} alone moves the {means.title} of {treatment} against {control} by "
                f"{one:.1f} standard errors ({change(means, found.estimate)} with, "
                f"{change(means, found.estimate + found.moved)} without)"
            )
        if top > SHIFTS:
            said.append(
                f"without the top {TOP:.1%} ({found.top:,} users above {found.above:g}) the {means.title} of "
                f"{treatment} against {control} differs by {change(means, found.without_top)} instead of "
                f"{change(means, found.estimate)}"
            )
    if not said:
        return Check("influence", "green", f"No handful of users decides about {means.title}.")
    sentence = "; ".join(said)
    return Check("influence", "yellow", f"{sentence[0].upper()}{sentence[1:]}. Look for bots, and read it capped, too.")


def _columns(arms: Arms, metric: str, arm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = arms.columns(metric, arm)
    return y, np.ones(y.size) if x is None else x


def _ratio(y: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    total = float(x.sum())
    return float(y.sum()) / total if total else math.nan


def _moves(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) by how much the ratio moves when each user leaves."""
    whole, rest = _ratio(y, x), x.sum() - x
    without = np.full(y.size, whole)
    np.divide(y.sum() - y, rest, out=without, where=rest != 0)
    return without - whole
