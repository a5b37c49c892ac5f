"""Whether a metric changed on a day, or slid: novelty that wears off, a slow trend."""

from typing import Literal

import numpy as np

from recloop.experience.problems.coded import Floats
from recloop.experience.problems.contrast import Step

HALVES = (1.0, 2.0, 4.0, 8.0)  # days in which a novelty halves
MARGIN = 2.0  # by which another shape must fit better (twice the log likelihood)

Shape = Literal["step", "novelty", "trend"]


def shape(step: Step, values: Floats, precision: Floats, at: int, worse: int, noise: float = 1.0) -> Shape:
    """Which shape fits a series of days best: a step, a jump for the better that fades, or a straight line.

    Each has weekday levels and one number of its own (a step its height, a novelty its height on the first day, a line
    its slope), fitted by weighted least squares.

    Args:
        step: days and weekdays.
        values: (T,) the metric by day.
        precision: (T,) one over the variance of each.
        at: day of the step.
        worse: sign of a change for the worse.
        noise: how much more the days move than their variances say.

    >>> days = np.arange(28)
    >>> step = Step(28, days % 7, before=5, after=2)
    >>> fades = 1 + 0.3 * np.where(days >= 6, 0.5 ** ((days - 6) / 3), 0)
    >>> shape(step, fades, np.full(28, 1e4), 12, -1), shape(step, 1 - 0.1 * (days > 15), np.full(28, 1e4), 16, -1)
    ('novelty', 'step')
    """
    day = np.arange(step.days)
    fades = [(day >= j) * 0.5 ** (np.maximum(day - j, 0) / h) for j in range(step.days - 3) for h in HALVES]
    candidates = np.stack([(day >= at).astype(np.float64), day.astype(np.float64), *fades])
    group = step.groups()
    per = np.divide(1.0, precision @ group, out=np.zeros(group.shape[1]), where=precision @ group > 0)
    weighted = candidates * precision
    flat = candidates - ((weighted @ group) * per) @ group.T
    moved = (flat * precision) @ values
    spread = (flat * flat * precision).sum(axis=1)
    gain = np.divide(moved * moved, spread, out=np.zeros_like(moved), where=spread > 1e-9) / noise
    sign = np.sign(moved)
    slide = gain[1] if sign[1] == worse else 0.0
    fade = float(np.where(sign[2:] == -worse, gain[2:], 0.0).max(initial=0.0))
    if max(slide, fade) < gain[0] + MARGIN:
        return "step"
    return "novelty" if fade > slide else "trend"
