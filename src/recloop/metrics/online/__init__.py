"""What users did with slates and said of them, as values: each metric is a sum over a sum, or a mean over users."""

from collections.abc import Mapping
from types import MappingProxyType

from recloop.metrics.online.effort import EFFORT
from recloop.metrics.online.engagement import ENGAGEMENT
from recloop.metrics.online.operations import OPERATIONS
from recloop.metrics.online.outcome_metric import Form, OutcomeMetric, Scale
from recloop.metrics.online.quality import QUALITY
from recloop.metrics.online.retention import RETENTION
from recloop.metrics.online.satisfaction import SATISFACTION
from recloop.metrics.online.unknown import unknown_metric

__all__ = ["FAMILIES", "OUTCOMES", "Form", "OutcomeMetric", "Scale", "unknown_metric"]

FAMILIES: Mapping[str, tuple[OutcomeMetric, ...]] = MappingProxyType(
    {
        "engagement": ENGAGEMENT,
        "satisfaction": SATISFACTION,
        "effort and frustration": EFFORT,
        "quality": QUALITY,
        "retention": RETENTION,
        "operations": OPERATIONS,
    }
)
"""The metrics of live users by what they are about."""

OUTCOMES: Mapping[str, OutcomeMetric] = MappingProxyType(
    {metric.id: metric for family in FAMILIES.values() for metric in family}
)
"""Every metric of live users by id."""
