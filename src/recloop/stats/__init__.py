"""Inference from sums: pure functions, no rows where moments do, no input or output."""

from recloop.stats.effect import Effect, relative_change
from recloop.stats.estimate import Estimate
from recloop.stats.means import Mean, mean_interval, welch
from recloop.stats.moments import Moments
from recloop.stats.multiplicity import benjamini_hochberg, holm
from recloop.stats.pairs import paired
from recloop.stats.ratios import ratio

__all__ = [
    "Effect",
    "Estimate",
    "Mean",
    "Moments",
    "benjamini_hochberg",
    "holm",
    "mean_interval",
    "paired",
    "ratio",
    "relative_change",
    "welch",
]
