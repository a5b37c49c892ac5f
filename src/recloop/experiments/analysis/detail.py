from collections.abc import Iterator
from dataclasses import dataclass

from recloop.experiments.analysis.arms import SummedArms
from recloop.experiments.analysis.reader import Reader
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import Basis
from recloop.stats import Effect, Moments, always_valid, ratio, welch


@dataclass(frozen=True, slots=True)
class Detail:
    """What stands beside an effect that was adjusted or capped.

    Attributes:
        metric: its id.
        treatment: the variant that is tried.
        control: the one that it is held against.
        plain: the effect without covariates; None where there are none.
        variance_reduction: share of the variance of the difference that covariates took away.
        uncapped: the effect on the values before they were capped, without covariates; None where none were.
        cap: where values were capped.
    """

    metric: str
    treatment: str
    control: str
    plain: Effect | None = None
    variance_reduction: float | None = None
    uncapped: Effect | None = None
    cap: float | None = None


def detail(experiment: Experiment, reader: Reader, arms: SummedArms, basis: Basis) -> Iterator[Detail]:
    """One for every comparison that was adjusted or capped."""
    where = {name: reader.sums.of(name) for name in experiment.variants}
    for metric, columns in reader.layout.metrics.items():
        for treatment, control in experiment.pairs:
            if arms.incomparable(metric, treatment, control):
                continue
            adjusted = arms.adjusted(metric, treatment, control, experiment.alpha)
            pair = (treatment, control)
            raw = [moments for name in pair if (moments := reader.uncapped(metric, where[name]))]
            plain = [arms.comoments[metric, name].moments(0, 1 if columns.x else None) for name in pair]
            if adjusted or raw:
                yield Detail(
                    metric,
                    treatment,
                    control,
                    plain=_effect(experiment, basis, pair, *plain) if adjusted else None,
                    variance_reduction=adjusted.variance_reduction if adjusted else None,
                    uncapped=_effect(experiment, basis, pair, *raw) if raw else None,
                    cap=reader.sums.caps[columns.y.name] if raw else None,
                )


def _effect(
    experiment: Experiment, basis: Basis, pair: tuple[str, str], treatment: Moments, control: Moments
) -> Effect:
    if basis != "fixed":
        return always_valid(treatment, control, experiment.alpha, planned=experiment.planned_for(*pair))
    compare = welch if treatment.x_mean is None else ratio
    return compare(treatment, control, experiment.alpha)
