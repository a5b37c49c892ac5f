"""Decisions joined with what followed, one row of sums per user: all that the metrics of live users read."""

from recloop.metrics.online import OUTCOMES, OutcomeMetric
from recloop.metrics.outcomes.latencies import latency_quantiles
from recloop.metrics.outcomes.log import DAY, SESSION, ItemFacts, OutcomeKinds
from recloop.metrics.outcomes.operations import AGAIN
from recloop.metrics.outcomes.table import by_user, slate_table, user_table, with_users
from recloop.metrics.outcomes.unlikeness import with_diversity

__all__ = [
    "AGAIN",
    "DAY",
    "OUTCOMES",
    "SESSION",
    "ItemFacts",
    "OutcomeKinds",
    "OutcomeMetric",
    "by_user",
    "latency_quantiles",
    "slate_table",
    "user_table",
    "with_diversity",
    "with_users",
]
