"""What happened day by day: how many users came, and how the effect settled."""

from collections.abc import Iterator

import numpy as np

from recloop.experiments.analysis.plan import DAY
from recloop.experiments.analysis.reader import Reader
from recloop.experiments.analysis.sums import Sums
from recloop.experiments.definition import Experiment
from recloop.experiments.lifts import FIRST_LOOK, LOOKS, Lift
from recloop.stats import always_valid


def traffic_by_day(sums: Sums, variants: tuple[str, ...]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Variant → (day since 1970, users who came on it); days without a user are there, too."""
    if not sums.days:
        return {}
    days = range(sums.days[0], sums.days[-1] + 1)
    found = {name: dict.fromkeys(days, 0) for name in variants}
    for cell, n in zip(sums.cells, sums.n.tolist(), strict=True):
        if cell.day is not None:
            found[cell.variant][cell.day] += n
    return {name: tuple(counts.items()) for name, counts in found.items()}


def lifts(experiment: Experiment, reader: Reader, metric: str) -> Iterator[Lift]:
    """The effect of every pair at the end of each day, over the users who had come by then."""
    days = reader.sums.days
    if not days:
        return
    chosen = [days[i] for i in np.unique(np.linspace(0, len(days) - 1, min(LOOKS, len(days))).round().astype(int))]
    of = {name: reader.sums.of(name) for name in experiment.variants}
    until = {day: reader.sums.until(day) for day in chosen}
    for treatment, control in experiment.pairs:
        planned = experiment.planned_for(treatment, control)
        looks = []
        for day in chosen:
            t, c = (reader.moments(metric, of[name] & until[day]) for name in (treatment, control))
            if min(t.n, c.n) < FIRST_LOOK or t.x_mean == 0 or c.x_mean == 0:
                continue
            looks.append((day, t.n + c.n, always_valid(t, c, experiment.alpha, planned=planned)))
        if looks:
            effects = [effect for *_, effect in looks]
            yield Lift(
                metric=metric,
                treatment=treatment,
                control=control,
                times=tuple((day + 1) * DAY for day, *_ in looks),
                users=tuple(users for _, users, _ in looks),
                estimate=tuple(e.estimate for e in effects),
                low=tuple(e.low for e in effects),
                high=tuple(e.high for e in effects),
                relative=tuple(e.relative for e in effects),
                relative_low=tuple(e.relative_low for e in effects),
                relative_high=tuple(e.relative_high for e in effects),
            )
