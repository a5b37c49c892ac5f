import math
from dataclasses import dataclass

import polars as pl
from scipy.special import ndtr, ndtri

from recloop.errors import DataError
from recloop.experiments.checks.check import Check
from recloop.experiments.words import change, listed, probability
from recloop.metrics.online import OutcomeMetric

FEWEST = 30  # users that each arm needs on a day for the day to count
SUSPECT = 0.01


@dataclass(frozen=True, slots=True)
class Slope:
    """How an effect changes with the days since a user's first slate.

    Args:
        days: days that count, 0 is that of the first slate.
        effects: treatment minus control on each.
        slope: change of the effect per day, from a line through the effects, weighted by one over their variances.
        low: lower end of its interval.
        high: upper end.
        p_value: how often an effect that does not change gives such a slope, by the normal distribution.
        start: the line at the first day.
        end: the line at the last day.
    """

    days: tuple[int, ...]
    effects: tuple[float, ...]
    slope: float
    low: float
    high: float
    p_value: float
    start: float
    end: float


def novelty(
    daily: pl.DataFrame, metric: OutcomeMetric, treatment: str, control: str, alpha: float = 0.05
) -> Slope | None:
    """The slope of an effect over days since first exposure; None where fewer than two days have enough users.

    A user is there on several days, so the effects of the days depend on each other. The slope is a fixed weighted sum
    of them, hence a sum over users of what each adds to it (the linearised ratio of each day); its variance is that of
    these sums, with the user as the unit.

    Only users who come back are there on later days. Where a variant makes other users come back, the slope shows that,
    too.

    Args:
        daily: one row per (variant, user, day), as ``metrics.outcomes.user_table(..., daily=True)`` makes it.
        metric: read on each day.
        treatment: the variant that is judged.
        control: the one it is held against.
        alpha: error rate of the interval.

    Raises:
        DataError: there is no column ``day``, or the metric cannot be read.
    """
    if "day" not in daily.columns:
        raise DataError("the table has no column 'day'", advice="make it with user_table(..., daily=True)")
    rows = daily.filter(pl.col("variant").is_in([treatment, control]))
    y, x = metric.values(rows)
    rows = rows.select("variant", "user", "day").with_columns(y=pl.Series(y), x=1.0 if x is None else pl.Series(x))
    by = ["variant", "day"]
    rows = rows.with_columns(total=pl.col("x").sum().over(by), got=pl.col("y").sum().over(by))
    # what each row adds to the ratio of its arm and day
    rows = rows.filter(pl.col("total") != 0).with_columns(
        share=(pl.col("y") - pl.col("got") / pl.col("total") * pl.col("x")) / pl.col("total")
    )
    days = (
        rows.group_by(by)
        .agg(
            pl.len().alias("users"),
            (pl.col("got") / pl.col("total")).first().alias("value"),
            pl.col("share").pow(2).sum().alias("variance"),
        )
        .filter(pl.col("users") >= FEWEST)
    )
    pairs = days.filter(variant=treatment).join(days.filter(variant=control), on="day").sort("day")
    pairs = pairs.select(
        "day", effect=pl.col("value") - pl.col("value_right"), variance=pl.col("variance") + pl.col("variance_right")
    ).filter(pl.col("variance") > 0)
    if pairs.height < 2:
        return None
    day, effect, weight = (pairs[name].to_numpy() for name in ("day", "effect", "variance"))
    weight = 1 / weight
    centre = float(weight @ day / weight.sum())
    pull = weight * (day - centre) / float(weight @ (day - centre) ** 2)
    slope, level = float(pull @ effect), float(weight @ effect / weight.sum())
    added = (
        rows.join(pl.DataFrame({"day": pairs["day"], "pull": pull}), on="day")
        .group_by("variant", "user")
        .agg((pl.col("share") * pl.col("pull")).sum())["share"]
    )
    error = math.sqrt(float((added**2).sum()))
    half = float(ndtri(1 - alpha / 2)) * error
    return Slope(
        days=tuple(int(one) for one in day),
        effects=tuple(float(one) for one in effect),
        slope=slope,
        low=slope - half,
        high=slope + half,
        p_value=2 * float(ndtr(-abs(slope) / error)) if error > 0 else 1.0,
        start=level + slope * float(day[0] - centre),
        end=level + slope * float(day[-1] - centre),
    )


def novelty_check(daily: pl.DataFrame, metric: OutcomeMetric, pairs: tuple[tuple[str, str], ...]) -> Check:
    """Whether an effect fades, or grows, as users get used to the treatment."""
    said, known = [], 0
    for treatment, control in pairs:
        found = novelty(daily, metric, treatment, control)
        known += found is not None
        if found is None or found.p_value >= SUSPECT / len(pairs):
            continue
        fades = abs(found.end) < abs(found.start) and found.start * found.end >= 0
        said.append(
            f"{metric.title} of {treatment} against {control} {'fades' if fades else 'changes'}: "
            f"{change(metric, found.start)} on day {found.days[0]} of a user, {change(metric, found.end)} on day "
            f"{found.days[-1]} (slope {probability(found.p_value)})"
        )
    if said:
        sentence = f"The effect on {listed(said)}. The effect over the whole period is not that of the long run."
        return Check("novelty", "yellow", sentence)
    if not known:
        return Check("novelty", "green", "Too few users came back on another day to see whether the effect changes.")
    return Check("novelty", "green", f"The effect on {metric.title} does not change with a user's days beyond chance.")
