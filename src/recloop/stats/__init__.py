"""Inference from sums: pure functions, no rows where moments do, no input or output."""

from recloop.stats.effect import Effect, relative_change
from recloop.stats.estimate import Estimate
from recloop.stats.means import Mean, mean_interval, welch
from recloop.stats.moments import Moments
from recloop.stats.multiplicity import benjamini_hochberg, holm
from recloop.stats.pairs import paired
from recloop.stats.power import detectable_change, sample_size, sample_size_of_shares
from recloop.stats.prediction_powered import (
    PredictionPowered,
    answers_needed,
    prediction_powered,
    prediction_powered_difference,
    prediction_powered_ratio,
)
from recloop.stats.ratios import ratio
from recloop.stats.sample_ratio import SRM, srm
from recloop.stats.sequences import always_valid
from recloop.stats.weighted_survey import survey_sums, weighted_prediction_powered

__all__ = [
    "SRM",
    "Effect",
    "Estimate",
    "Mean",
    "Moments",
    "PredictionPowered",
    "always_valid",
    "answers_needed",
    "benjamini_hochberg",
    "detectable_change",
    "holm",
    "mean_interval",
    "paired",
    "prediction_powered",
    "prediction_powered_difference",
    "prediction_powered_ratio",
    "ratio",
    "relative_change",
    "sample_size",
    "sample_size_of_shares",
    "srm",
    "survey_sums",
    "weighted_prediction_powered",
    "welch",
]
