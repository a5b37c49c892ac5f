from collections.abc import Iterator
from dataclasses import dataclass

from recloop.experiments.arms import Arms
from recloop.experiments.definition import Experiment
from recloop.experiments.words import loss
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Normal
from recloop.stats import beliefs as believed


@dataclass(frozen=True, slots=True)
class ArmBelief:
    """What is believed of a variant's value among all others, from a flat prior. No rule decides by it.

    ``low`` and ``high`` bound the central credible interval, ``best`` is the chance to be the best of all variants,
    ``loss`` what shipping this one is expected to cost against the best, in the metric's unit.
    """

    metric: str
    variant: str
    mean: float
    low: float
    high: float
    best: float
    loss: float

    def sentence(self, metric: OutcomeMetric) -> str:
        """In words, for those who ask for a chance."""
        interval = f"between {metric.say(self.low)} and {metric.say(self.high)}"
        return (
            f"Belief, which decides nothing: {metric.title} of {self.variant} is {interval}; its chance to be the best "
            f"is {self.best:.1%}, and shipping it is expected to cost {loss(metric, self.loss, 'absolute')}."
        )


def beliefs(experiment: Experiment, arms: Arms) -> Iterator[ArmBelief]:
    """Of the metrics that were agreed on, where two variants or more have values that differ between users.

    The variants' values, capped and adjusted as the metric is, are taken for normal with the variance that was seen.
    Where users are seen in several variants the values hang together, and nothing is told.
    """
    if arms.crossed:
        return
    for metric in experiment.metrics:
        posteriors = {
            name: Normal.of(arms.moments[metric, name], prior=None)
            for name in experiment.variants
            if not arms.unknown(metric, name) and arms.moments[metric, name].estimate().variance > 0
        }
        if len(posteriors) < 2:
            continue
        found = believed(posteriors, experiment.alpha, better="higher" if arms.metrics[metric].sign > 0 else "lower")
        for name, one in found.items():
            yield ArmBelief(metric, name, one.mean, one.low, one.high, one.best, one.loss)
