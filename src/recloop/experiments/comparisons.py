import dataclasses
import math
from dataclasses import dataclass

from recloop.experiments.arms import Arms
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import Basis
from recloop.experiments.look import Look
from recloop.stats import Effect, holm


@dataclass(frozen=True, slots=True)
class Comparison:
    """A treatment against a control on one metric.

    ``fixed`` is right for one look at a size that was planned, ``sequential`` at every look; ``effect`` is the one that
    the experiment's rule allows now: one of both, or, under ``group-sequential``, that of the last planned look, on
    the primary metric at alpha over the number of pairs. ``p_adjusted`` is its p-value after Holm over the pairs of
    treatment and control of the primary metric, NaN for other metrics. ``reason`` says why there is no effect.
    ``users_needed``: of the smaller arm, before so skewed a primary metric can be read; 0 where it has them.
    ``futile``: at the last planned look, a win of the treatment on the primary metric had become unlikely.
    """

    metric: str
    treatment: str
    control: str
    fixed: Effect | None = None
    sequential: Effect | None = None
    effect: Effect | None = None
    p_adjusted: float = math.nan
    reason: str = ""
    futile: bool = False
    users_needed: int = 0


def comparisons(experiment: Experiment, arms: Arms, basis: Basis, look: Look | None = None) -> tuple[Comparison, ...]:
    """Every metric of the arms for every pair, the primary ones first, adjusted by Holm among themselves."""
    found = [
        _compare(experiment, arms, basis, look, metric, *pair) for metric in arms.metrics for pair in experiment.pairs
    ]
    primary = [one for one in found if one.metric == experiment.primary]
    adjusted = holm([one.effect.p_value if one.effect else math.nan for one in primary]).tolist()
    primary = [dataclasses.replace(one, p_adjusted=p) for one, p in zip(primary, adjusted, strict=True)]
    return (*primary, *(one for one in found if one.metric != experiment.primary))


def _compare(
    experiment: Experiment,
    arms: Arms,
    basis: Basis,
    look: Look | None,
    metric: str,
    treatment: str,
    control: str,
) -> Comparison:
    if reason := arms.incomparable(metric, treatment, control):
        return Comparison(metric, treatment, control, reason=reason)
    planned = experiment.planned_for(treatment, control)
    both = arms.effects(metric, treatment, control, experiment.alpha, planned)
    needed = arms.users_needed(metric, treatment, control) if metric == experiment.primary else 0
    effect: Effect | None = both.fixed if basis == "fixed" else both.sequential
    if look:
        if reason := look.arms.incomparable(metric, treatment, control):
            return Comparison(metric, treatment, control, both.fixed, both.sequential, reason=reason)
        # boundaries are made for the alpha that the first step of Holm leaves to each pair
        alpha = experiment.alpha / len(experiment.pairs) if metric == experiment.primary else experiment.alpha
        effect = look.effect(metric, treatment, control, alpha)
        if metric == experiment.primary:
            futile = look.futile(metric, treatment, control, alpha, arms.metrics[metric].sign)
            needed = look.arms.users_needed(metric, treatment, control)
            return Comparison(
                metric, treatment, control, both.fixed, both.sequential, effect, futile=futile, users_needed=needed
            )
    return Comparison(metric, treatment, control, both.fixed, both.sequential, effect, users_needed=needed)
