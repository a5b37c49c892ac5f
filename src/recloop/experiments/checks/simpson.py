from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from recloop.experiments.checks.check import Check
from recloop.experiments.segments import Cells
from recloop.experiments.words import change, listed
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Estimate, Moments

BEYOND = 1.96  # standard errors from zero that are no chance


@dataclass(frozen=True, slots=True)
class Within:
    """A difference over all users, and the mean of the differences within segments, weighted by their users."""

    overall: Estimate
    within: Estimate


def within(arms: Mapping[str, tuple[Moments, Moments]]) -> Within | None:
    """Of segment → moments of (treatment, control); None where a segment has too few users to compare.

    The second estimate is post-stratified: both arms get the mix of segments of all users together, so that a different
    mix cannot make, or turn, a difference. A ratio's segments weigh by their share of the denominator.

    Source: L. W. Miratrix, J. S. Sekhon, B. Yu, "Adjusting treatment effect estimates by post-stratification in
    randomized experiments", JRSS B 75 (2013).
    """
    usable = all(min(t.n, c.n) > 1 and t.x_mean != 0 and c.x_mean != 0 for t, c in arms.values())
    if len(arms) < 2 or not usable:
        return None
    mass = {name: sum(_mass(one) for one in pair) for name, pair in arms.items()}
    n = sum(t.n + c.n for t, c in arms.values())
    sides = [[pair[i] for pair in arms.values()] for i in (0, 1)]
    t, c = (sum(side[1:], side[0]).estimate() for side in sides)
    value = variance = 0.0
    for name, (treated, control) in arms.items():
        a, b, weight = treated.estimate(), control.estimate(), mass[name] / sum(mass.values())
        value += weight * (a.value - b.value)
        variance += weight**2 * (a.variance + b.variance)
    return Within(Estimate(t.value - c.value, t.variance + c.variance, n), Estimate(value, variance, n))


def simpson(cells: Cells, metric: OutcomeMetric, pairs: tuple[tuple[str, str], ...]) -> Check:
    """Whether a difference over all users has the other sign within segments.

    Red where both are beyond chance: then the mixes of segments differ between the arms, and the one number for all
    users is about the mix. Yellow where one of them is.
    """
    red: list[str] = []
    yellow: list[str] = []
    for column, by_value in cells.of(metric.id).items():
        for treatment, control in pairs:
            found = within({value: (arms[treatment], arms[control]) for value, arms in by_value.items()})
            if found is None or found.overall.value * found.within.value >= 0:
                continue
            beyond = sum(_beyond(one) for one in (found.overall, found.within))
            said = (
                f"the {metric.title} of {treatment} against {control} differs by {change(metric, found.overall.value)} "
                f"over all users, and by {change(metric, found.within.value)} within {column}"
            )
            (red if beyond == 2 else yellow if beyond else []).append(said)
    if not red + yellow:
        return Check("segments", "green", f"{metric.title} points the same way over all users and within segments.")
    sentence = listed(red or yellow)
    return Check(
        "segments",
        "red" if red else "yellow",
        f"{sentence[0].upper()}{sentence[1:]} (Simpson's paradox): the arms hold different mixes of users.",
    )


def _beyond(one: Estimate) -> bool:
    return abs(one.value) > BEYOND * sqrt(one.variance)


def _mass(one: Moments) -> float:
    return one.n if one.x_mean is None else one.n * one.x_mean
