"""Fairness between groups as sentences."""

import math
from typing import TYPE_CHECKING

from recloop.experiments.words import lift, listed, number_of, probability
from recloop.metrics.online import OutcomeMetric

if TYPE_CHECKING:
    from recloop.experience.fair.rows import FairnessRow


def say_gap(row: "FairnessRow", metric: OutcomeMetric) -> str:
    """Who fares worst, and how sure that is."""
    name = f"{metric.title} by {row.attribute}"
    if row.gap is None:
        return f"{name}: {row.reason}"
    worst = row.groups[-1]
    ratio = f"; least over greatest {row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f})"
    said = f"{metric.say(worst.value)} against {metric.say(row.gap.control)} of the others ({lift(metric, row.gap)})"
    if row.gap_light == "apart":
        first = f"{name}: {worst.group} fares worst, {said}"
    else:
        first = f"{name}: no group fares worse beyond doubt; the lowest is {worst.group} with {said}"
        if metric.sign < 0:
            first = first.replace("the lowest is", "the highest is")
    aside = f"; {number_of('group', row.small)} too small to show" if row.small else ""
    return first + (ratio if not math.isnan(row.ratio) else "") + aside


def say_lifts(row: "FairnessRow", metric: OutcomeMetric, alpha: float) -> str:
    """Whether the treatment does the same to all groups; empty where there is no control."""
    known = [one for one in row.groups if one.lift]
    if not known:
        return ""
    name = f"change of {metric.title} by {row.attribute}"
    breached = [one.group for one in known if one.held == "breached"]
    if breached:
        parts = [f"{one.group} ({lift(metric, one.lift)})" for one in known if one.held == "breached" and one.lift]
        return f"{name}: {listed(parts)} worse by more than is tolerated"
    if row.lift_p_adjusted < alpha:
        low, high = (pick(known, key=lambda one: one.lift.estimate if one.lift else 0.0) for pick in (min, max))
        parts = [f"{one.group} {lift(metric, one.lift)}" for one in (high, low) if one.lift]
        return f"{name}: it differs ({probability(row.lift_p_adjusted)}), from {parts[0]} to {parts[1]}"
    return f"{name}: that it differs is not beyond doubt"
