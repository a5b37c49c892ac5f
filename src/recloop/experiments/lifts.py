from dataclasses import dataclass

import numpy as np
import polars as pl

from recloop.experiments.arms import Arms
from recloop.experiments.definition import Experiment
from recloop.stats import Moments, always_valid

LOOKS = 60
FIRST_LOOK = 30  # users that each arm has at the first look


@dataclass(frozen=True, slots=True)
class Lift:
    """An effect as users came in: one point per look, with its always-valid band.

    ``times`` are those of the newest user of each look. ``estimate``, ``low`` and ``high`` are in the metric's unit,
    ``relative`` and its band are fractions of the control (NaN and infinite where unbounded).
    """

    metric: str
    treatment: str
    control: str
    times: tuple[float, ...]
    users: tuple[int, ...]
    estimate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    relative: tuple[float, ...]
    relative_low: tuple[float, ...]
    relative_high: tuple[float, ...]


def lift(experiment: Experiment, arms: Arms, metric: str, treatment: str, control: str) -> Lift | None:
    """The effect over users in the order of their first slate, at up to 60 looks; None where there is no effect yet.

    A look holds all that is known by now of the users who had come by then.
    """
    if arms.incomparable(metric, treatment, control):
        return None
    pair = (treatment, control)
    if min(arms.frames[name].height for name in pair) < FIRST_LOOK:
        return None
    orders = [arms.frames[name].select(pl.arg_sort_by("first", "user")).to_series().to_numpy() for name in pair]
    firsts = [arms.frames[name]["first"].to_numpy()[order] for name, order in zip(pair, orders, strict=True)]
    everyone = np.sort(np.concatenate(firsts))
    start = int(np.searchsorted(everyone, max(first[FIRST_LOOK - 1] for first in firsts), side="right"))
    times = everyone[np.unique(np.linspace(start, everyone.size, LOOKS).astype(np.int64)) - 1]
    running = [
        Moments.running(y[order], None if x is None else x[order], np.searchsorted(first, times, side="right"))
        for (y, x), order, first in zip((arms.values(metric, name) for name in pair), orders, firsts, strict=True)
    ]
    planned = experiment.planned_for(treatment, control)
    looks = [
        (float(time), t.n + c.n, always_valid(t, c, experiment.alpha, planned=planned))
        for time, t, c in zip(times, *running, strict=True)
        if t.x_mean != 0 and c.x_mean != 0
    ]
    effects = [effect for *_, effect in looks]
    return Lift(
        metric=metric,
        treatment=treatment,
        control=control,
        times=tuple(time for time, *_ in looks),
        users=tuple(users for _, users, _ in looks),
        estimate=tuple(e.estimate for e in effects),
        low=tuple(e.low for e in effects),
        high=tuple(e.high for e in effects),
        relative=tuple(e.relative for e in effects),
        relative_low=tuple(e.relative_low for e in effects),
        relative_high=tuple(e.relative_high for e in effects),
    )
