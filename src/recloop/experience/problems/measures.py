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


WATCHED: tuple[tuple[str, Layer, str], ...] = (
    ("latency", "operations", "slow answers"),
    ("slow_slates", "operations", "slow answers"),
    ("fallback_rate", "operations", "fallback answers"),
    ("empty_slates", "operations", "empty slates"),
    ("short_slates", "operations", "short slates"),
    ("struggle", "operations", "clicks that lead nowhere"),
    ("click_ndcg", "model", "a worse order"),
    ("repeat_exposure", "content", "repetition"),
    ("already_consumed", "content", "items that users have already"),
    ("diversity", "content", "slates of one kind"),
    ("slate_ctr", "taste", "fewer clicks"),
    ("purchases_per_slate", "taste", "fewer purchases"),
    ("satisfaction", "taste", "lower ratings"),
    ("survey", "taste", "lower survey answers"),
    ("survey_top", "taste", "fewer content answers"),
    ("thumbs", "taste", "fewer thumbs up"),
    ("sentiment", "taste", "worse comments"),
    ("abandonment", "taste", "abandoned slates"),
    ("bad_abandonment", "taste", "abandoned slates"),
    ("bounces", "taste", "clicks that disappoint"),
    ("not_interested", "taste", "more items hidden"),
    ("skips", "taste", "more items skipped"),
    ("search_after_slate", "taste", "searches in place of clicks"),
)
"""Metrics of the catalogue that are a sum over slates over another, with their layer and the cause's name."""

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {name: _measure(OUTCOMES[name], layer, what) for name, layer, what in WATCHED}
)
"""By id, in the order of the layers."""
