import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtr

from recloop.experiments.checks.check import Check
from recloop.experiments.definition import Experiment
from recloop.experiments.words import change, probability
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Moments

BINS = 20  # of equal numbers of users, in the order of their first slate
SPREAD = 0.05  # standard deviation of the treated share over users below which there is nothing to learn from
SUSPECT = 0.01


@dataclass(frozen=True, slots=True)
class Drift:
    """How a control's metric moves with the share of users who are treated.

    Args:
        slope: change of the control's value where the share goes from 0 to 1, time held.
        p_value: how often a control that nothing touches gives such a slope, by the normal distribution.
        low: smallest share of treated users in a stretch of time.
        high: largest.
    """

    slope: float
    p_value: float
    low: float
    high: float


def drift(table: pl.DataFrame, metric: OutcomeMetric, control: str, treatments: Sequence[str]) -> Drift | None:
    """Least squares of the control's users on the treated share of their time and on time itself; None where the share
    hardly changes, or goes with time so closely that the two cannot be told apart.

    A ratio is read through its linearised values; the standard error is robust (HC0). Only a straight trend in time is
    held fixed, so a season that comes and goes with a ramp looks the same as interference.
    """
    ordered = table.sort("first", "user").with_row_index("at")
    ordered = ordered.with_columns(bin=pl.col("at") * BINS // max(table.height, 1))
    ordered = ordered.with_columns(treated=pl.col("variant").is_in(treatments).mean().over("bin"))
    users = ordered.filter(variant=control)
    if users.height < 2 * BINS or ordered["treated"].std() < SPREAD:  # type: ignore[operator]
        return None
    y, x = metric.values(users)
    if x is not None:
        moments = Moments.of(y, x)
        if not moments.x_mean:
            return None
        y = moments.ratio + (y - moments.ratio * x) / moments.x_mean
    design = np.column_stack([np.ones(y.size), users["treated"], users["bin"]]).astype(np.float64)
    design[:, 1:] -= design[:, 1:].mean(axis=0)
    gram = design.T @ design
    if np.linalg.matrix_rank(gram) < 3 or abs(np.corrcoef(design[:, 1], design[:, 2])[0, 1]) > 0.98:
        return None
    beta = np.linalg.solve(gram, design.T @ y)
    scores = design * (y - design @ beta)[:, None]
    inverse = np.linalg.inv(gram)
    error = math.sqrt(max(float((inverse @ (scores.T @ scores) @ inverse)[1, 1]), 0.0))
    p = 2 * float(ndtr(-abs(beta[1]) / error)) if error > 0 else 1.0
    shares = ordered["treated"]
    return Drift(float(beta[1]), p, float(shares.min()), float(shares.max()))  # type: ignore[arg-type]


def interference(experiment: Experiment, table: pl.DataFrame, metric: OutcomeMetric) -> Check:
    """A hint, no proof, that treated users change what control users do: shared stock, a shared model, shared friends.

    Where a ramp changes the share of treated users, a control that is left alone does not move with it. At a constant
    share nothing can be seen, and the sentence says so.
    """
    name, title = "interference", metric.title
    found = {
        control: one for control in experiment.controls if (one := drift(table, metric, control, experiment.treatments))
    }
    if not found:
        return Check(
            name,
            "green",
            "The share of treated users hardly changed apart from time, so these data cannot show whether treated "
            "users touch the others.",
        )
    control, worst = min(found.items(), key=lambda pair: pair[1].p_value)
    shares = f"as the share of treated users went from {worst.low:.0%} to {worst.high:.0%}"
    if worst.p_value * len(found) >= SUSPECT:
        return Check(name, "green", f"The {title} under {control} did not move beyond chance {shares}.")
    moved = change(metric, worst.slope * (worst.high - worst.low))
    return Check(
        name,
        "yellow",
        f"The {title} under {control} moved by {moved} {shares} ({probability(worst.p_value)}, a straight trend in "
        "time held fixed). Treated users may touch the others, or a season came with the ramp: a hint, no proof.",
    )
