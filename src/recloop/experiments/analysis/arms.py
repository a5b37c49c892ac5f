from collections.abc import Mapping
from dataclasses import dataclass, field

from recloop.experiments.arms import Arms, Effects
from recloop.stats.adjusted import Adjusted
from recloop.stats.adjustment import cuped
from recloop.stats.comoments import Comoments


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedArms(Arms):
    """The arms of an analysis, from sums alone. The moments are those of the metrics less what covariates explain."""

    comoments: Mapping[tuple[str, str], Comoments] = field(default_factory=dict)

    def adjusted(self, metric: str, treatment: str, control: str, alpha: float) -> Adjusted | None:
        """The fixed comparison with covariates; None where the metric has none, or there are too few users for them."""
        t, c = (self.comoments[metric, arm] for arm in (treatment, control))
        own = 1 if self.metrics[metric].denominator is None else 2
        covariates = len(t.means) - own
        if not covariates or t.n + c.n < covariates + 3:
            return None
        return cuped(t, c, alpha, ratio=own == 2)

    def effects(self, metric: str, treatment: str, control: str, alpha: float, planned: int) -> Effects:
        """The treatment against the control; ``planned`` counts the users of these two arms."""
        plain = Arms.effects(self, metric, treatment, control, alpha, planned)
        found = self.adjusted(metric, treatment, control, alpha)
        return Effects(found.effect, plain.sequential) if found else plain
