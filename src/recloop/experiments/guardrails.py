from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recloop.experiments.arms import Arms
from recloop.experiments.definition import Experiment, Guardrail
from recloop.experiments.look import Look
from recloop.metrics.online import OutcomeMetric, Scale
from recloop.stats import Effect

Status = Literal["held", "breached", "unclear"]
Basis = Literal["fixed", "always valid", "group sequential"]

MADE: Mapping[Basis, str] = {
    "fixed": "made for one look",
    "always valid": "valid at every look",
    "group sequential": "made for the planned looks",
}


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """Whether a guardrail held.

    ``held``: the interval rules out a loss as large as the margin. ``breached``: the whole interval lies beyond it.
    ``unclear``: it may still be either.
    """

    metric: str
    treatment: str
    control: str
    margin: float
    scale: Scale
    status: Status
    effect: Effect | None
    reason: str = ""


def guardrails(
    experiment: Experiment, arms: Arms, basis: Basis, look: Look | None = None
) -> tuple[GuardrailResult, ...]:
    """Every guardrail, for each treatment against the controls that it names.

    A breach ends an experiment, so its interval is made for ``alpha`` over the number of guardrail comparisons
    (Bonferroni): the chance of any false one stays below alpha. That all held is one claim of all of them at once, and
    needs no such care.
    """
    wanted = [
        (guardrail, treatment, control)
        for guardrail in experiment.guardrails
        for treatment, control in experiment.pairs
        if guardrail.against in {"", control}
    ]
    return tuple(_judge(experiment, arms, basis, look, *one, experiment.alpha / len(wanted)) for one in wanted)


def losses(metric: OutcomeMetric, effect: Effect, scale: Scale) -> tuple[float, float]:
    """The smallest and the largest loss that an effect's interval holds; gains are negative losses."""
    low, high = (effect.low, effect.high) if scale == "absolute" else (effect.relative_low, effect.relative_high)
    return (-high, -low) if metric.direction == "higher" else (low, high)


def _judge(
    experiment: Experiment,
    arms: Arms,
    basis: Basis,
    look: Look | None,
    guardrail: Guardrail,
    treatment: str,
    control: str,
    strict: float,
) -> GuardrailResult:
    metric = arms.metrics[guardrail.metric]
    margin = metric.margin if guardrail.margin is None else guardrail.margin
    scale = guardrail.scale or metric.margin_scale

    def result(status: Status, effect: Effect | None, reason: str = "") -> GuardrailResult:
        return GuardrailResult(metric.id, treatment, control, margin, scale, status, effect, reason)

    arms = look.arms if look else arms
    if reason := arms.incomparable(metric.id, treatment, control):
        return result("held" if arms.equal(metric.id, treatment, control) else "unclear", None, reason)

    def made(alpha: float) -> Effect:
        if look:
            return look.effect(metric.id, treatment, control, alpha)
        both = arms.effects(metric.id, treatment, control, alpha, experiment.planned_for(treatment, control))
        return both.fixed if basis == "fixed" else both.sequential

    effect = made(experiment.alpha)
    if needed := arms.users_needed(metric.id, treatment, control):
        why = f"it is skewed, and arms differ in size, so the smaller one needs {needed:,} users"
        return result("unclear", effect, why)
    if scale == "relative" and not effect.bounded:
        return result("unclear", effect, f"{metric.title} is too close to zero under {control} for a relative margin")
    if losses(metric, effect, scale)[1] < margin:
        return result("held", effect)
    least, _ = losses(metric, made(strict), scale)
    return result("breached" if least > margin else "unclear", effect)
