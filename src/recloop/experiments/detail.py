from collections.abc import Iterator
from dataclasses import dataclass

from recloop.experiments.arms import Arms
from recloop.experiments.definition import Experiment
from recloop.experiments.effects import plain
from recloop.experiments.guardrails import Basis
from recloop.experiments.words import lift
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Effect, Moments


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

    def sentences(self, metric: OutcomeMetric) -> list[str]:
        """What stands beside, in words."""
        who, said = f"{metric.title}, {self.treatment} against {self.control}", []
        if self.plain and self.variance_reduction is not None:
            share = f"Covariates from before took away {self.variance_reduction:.0%} of the variance"
            said.append(f"{who}, without covariates: {lift(metric, self.plain)}. {share}.")
        if self.uncapped and self.cap is not None:
            said.append(f"{who}, without the cap at {self.cap:.6g}: {lift(metric, self.uncapped)}.")
        return said


def details(experiment: Experiment, arms: Arms, basis: Basis) -> Iterator[Detail]:
    """One for every comparison that was adjusted or capped."""
    for metric in arms.metrics:
        for pair in experiment.pairs:
            if arms.incomparable(metric, *pair):
                continue
            adjusted = arms.adjusted(metric, *pair, experiment.alpha)
            capped = metric in arms.caps
            if adjusted or capped:
                without = [arms.plain(metric, name) for name in pair] if adjusted else []
                raw = [arms.uncapped[metric, name] for name in pair] if capped else []
                yield Detail(
                    metric,
                    *pair,
                    plain=_effect(experiment, basis, pair, *without) if adjusted else None,
                    variance_reduction=adjusted.variance_reduction if adjusted else None,
                    uncapped=_effect(experiment, basis, pair, *raw) if capped else None,
                    cap=arms.caps.get(metric),
                )


def _effect(
    experiment: Experiment, basis: Basis, pair: tuple[str, str], treatment: Moments, control: Moments
) -> Effect:
    both = plain(treatment, control, experiment.alpha, experiment.planned_for(*pair))
    return both.fixed if basis == "fixed" else both.sequential
