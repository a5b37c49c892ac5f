"""What is watched: outcome metrics that slates can carry, each with the layer in which its change would be a cause."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from recloop.experience.problems.schema import Layer
from recloop.metrics.online import OUTCOMES, OutcomeMetric


@dataclass(frozen=True, slots=True)
class Measure:
    """A ratio over slates, and where its change belongs.

    Attributes:
        metric: numerator and denominator are columns of the slate table.
        layer: the layer of the cause that a change of it is; ``taste`` for what users do about it.
        what: the name of that cause.
        bad: the directions that are a problem: a metric's worse one, or ``both``.
    """

    metric: OutcomeMetric
    layer: Layer
    what: str
    bad: Literal["up", "down"]

    @property
    def outcome(self) -> bool:
        """Whether it is what users do, and not what they were given."""
        return self.layer == "taste"


def _measure(metric: OutcomeMetric, layer: Layer, what: str) -> Measure:
    return Measure(metric, layer, what, "down" if metric.direction == "higher" else "up")


EMPTY = OutcomeMetric(
    id="empty_rate",
    title="empty slates",
    formula=r"\frac{\sum_u \#\{d : |d| = 0\}}{\sum_u \#d}",
    unit="share of slates",
    needs="decisions with items",
    numerator="empties",
    denominator="slates",
    direction="lower",
    form="percent",
    of_items=True,
)
OWNED = OutcomeMetric(
    id="owned_rate",
    title="items shown that the user has already",
    formula=r"\frac{\sum_u \#\{\text{items shown that } u \text{ consumed before}\}}{\sum_u \sum_d |d|}",
    unit="share of items shown",
    needs="decisions with items, and earlier purchases",
    numerator="owned",
    denominator="shown",
    direction="lower",
    form="percent",
    of_items=True,
)

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        one.metric.id: one
        for one in (
            _measure(OUTCOMES["latency"], "operations", "slow answers"),
            _measure(OUTCOMES["fallback_rate"], "operations", "fallback answers"),
            _measure(EMPTY, "operations", "empty slates"),
            _measure(OUTCOMES["repeat_exposure"], "content", "repetition"),
            _measure(OWNED, "content", "items that users have already"),
            _measure(OUTCOMES["diversity"], "content", "slates of one kind"),
            _measure(OUTCOMES["slate_ctr"], "taste", "fewer clicks"),
            _measure(OUTCOMES["purchases_per_slate"], "taste", "fewer purchases"),
            _measure(OUTCOMES["satisfaction"], "taste", "lower ratings"),
            _measure(OUTCOMES["survey"], "taste", "lower survey answers"),
            _measure(OUTCOMES["sentiment"], "taste", "worse comments"),
            _measure(OUTCOMES["abandonment"], "taste", "abandoned slates"),
        )
    }
)
"""By id, in the order of the layers."""
