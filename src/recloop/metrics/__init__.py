"""Measures of slates as values with printable names: ``NDCG(10)`` is ``ndcg@10``."""

from recloop.metrics.accuracy import F1, MAP, MRR, NDCG, HitRate, Precision, Recall
from recloop.metrics.beyond_accuracy import Coverage, Diversity, Gini, Novelty, PopularityLift
from recloop.metrics.catalogue import METRICS, parse_metric, parse_metrics
from recloop.metrics.judged import Judged, Ratings, item_users
from recloop.metrics.metric import CONVENTIONS, Metric
from recloop.metrics.rating import MAE, RMSE

__all__ = [
    "CONVENTIONS",
    "F1",
    "MAE",
    "MAP",
    "METRICS",
    "MRR",
    "NDCG",
    "RMSE",
    "Coverage",
    "Diversity",
    "Gini",
    "HitRate",
    "Judged",
    "Metric",
    "Novelty",
    "PopularityLift",
    "Precision",
    "Ratings",
    "Recall",
    "item_users",
    "parse_metric",
    "parse_metrics",
]
