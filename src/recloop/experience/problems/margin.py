"""How much worse slates may be answered under a treatment before it is a problem: what a guardrail tolerates."""

from typing import NamedTuple

from recloop.experience.problems.explain import Fact
from recloop.experience.problems.settings import Settings
from recloop.experiments.words import loss


class Margin(NamedTuple):
    """The change of a metric below which nobody need act, in its unit, and as people write it."""

    size: float
    words: str


def margin(one: Fact, settings: Settings) -> Margin | None:
    """What is tolerated; None between days, and where the metric is not of how slates are answered.

    With enough slates every difference is beyond chance. A release is not held back for one that a guardrail on the
    same metric would let pass: the experiment and the problem finder must not contradict each other.
    """
    metric = one.measure.metric
    if settings.treatment is None or one.measure.layer != "operations":
        return None
    size, scale = settings.margins.get(metric.id, (metric.margin, metric.margin_scale))
    absolute = size * abs(one.effect.before) if scale == "relative" else size
    return Margin(absolute, loss(metric, size, scale))


def tolerable(one: Fact, settings: Settings) -> str:
    """Why a change is no problem, as a sentence; empty where it is one, or where there is no margin."""
    found, metric = margin(one, settings), one.measure.metric
    if found is None or abs(one.effect.after - one.effect.before) >= found.size:
        return ""
    values = f"{metric.say(one.effect.before)} → {metric.say(one.effect.after)}"
    return f"{values}: less than the {found.words} that are tolerated, so it does not hold {settings.treatment} back."
