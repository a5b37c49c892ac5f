"""Inference from sums: pure functions, no rows where moments do, no input or output."""

from recloop.stats.effect import Effect, relative_change
from recloop.stats.estimate import Estimate
from recloop.stats.heterogeneity import Heterogeneity, heterogeneity
from recloop.stats.means import Mean, mean_interval, welch
from recloop.stats.moments import Moments
from recloop.stats.multiplicity import benjamini_hochberg, holm
from recloop.stats.pairs import paired
from recloop.stats.power import detectable_change, sample_size, sample_size_of_shares
from recloop.stats.ratios import ratio
from recloop.stats.sample_ratio import SRM, srm
from recloop.stats.sequences import always_valid
from recloop.stats.uniformity import Uniformity, uniformity

__all__ = [
    "SRM",
    "Effect",
    "Estimate",
    "Heterogeneity",
    "Mean",
    "Moments",
    "Uniformity",
    "always_valid",
    "benjamini_hochberg",
    "detectable_change",
    "heterogeneity",
    "holm",
    "mean_interval",
    "paired",
    "ratio",
    "relative_change",
    "sample_size",
    "sample_size_of_shares",
    "srm",
    "uniformity",
    "welch",
]
