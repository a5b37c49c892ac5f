"""Inference from sums: pure functions, no rows where moments do, no input or output."""

from recloop.stats.effect import Effect, relative_change
from recloop.stats.estimate import Estimate
from recloop.stats.means import Mean, mean_interval, welch
from recloop.stats.moments import Moments
from recloop.stats.multiplicity import benjamini_hochberg, holm
from recloop.stats.one_sample import OneSample, always_valid_one_sample, one_sample, one_sample_size
from recloop.stats.pairs import paired
from recloop.stats.power import detectable_change, sample_size, sample_size_of_shares
from recloop.stats.ratios import ratio
from recloop.stats.sample_ratio import SRM, srm
from recloop.stats.sequences import always_valid

__all__ = [
    "SRM",
    "Effect",
    "Estimate",
    "Mean",
    "Moments",
    "OneSample",
    "always_valid",
    "always_valid_one_sample",
    "benjamini_hochberg",
    "detectable_change",
    "holm",
    "mean_interval",
    "one_sample",
    "one_sample_size",
    "paired",
    "ratio",
    "relative_change",
    "sample_size",
    "sample_size_of_shares",
    "srm",
    "welch",
]
