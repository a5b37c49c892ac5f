"""Inference from sums: pure functions, no rows where moments do, no input or output."""

from recloop.stats.adjusted import Adjusted
from recloop.stats.adjustment import cuped
from recloop.stats.bayes import Belief, Beta, Normal, beliefs
from recloop.stats.comoments import Comoments
from recloop.stats.covariates import impute
from recloop.stats.cupac import cross_fitted
from recloop.stats.effect import Effect, relative_change
from recloop.stats.estimate import Estimate
from recloop.stats.futility import Futility
from recloop.stats.group_sequential import GroupSequential
from recloop.stats.heterogeneity import Heterogeneity, heterogeneity
from recloop.stats.intersection import Intersection, running_intersection
from recloop.stats.lift import relative_lift
from recloop.stats.means import Mean, mean_interval, welch
from recloop.stats.mixture import confidence_sequence
from recloop.stats.moments import Moments
from recloop.stats.msprt import msprt
from recloop.stats.multiplicity import benjamini_hochberg, holm
from recloop.stats.one_sample import OneSample, always_valid_one_sample, one_sample
from recloop.stats.pairs import paired
from recloop.stats.power import detectable_change, one_sample_size, sample_size, sample_size_of_shares
from recloop.stats.prediction_powered import (
    PredictionPowered,
    answers_needed,
    prediction_powered,
    prediction_powered_difference,
    prediction_powered_ratio,
)
from recloop.stats.proportions import miettinen_nurminen, newcombe, wilson
from recloop.stats.quantiles import quantile, quantile_difference
from recloop.stats.quantiles_sequential import quantile_difference_sequence, quantile_sequence
from recloop.stats.ratios import ratio
from recloop.stats.ridge_regression import ridge
from recloop.stats.sample_ratio import SRM, srm
from recloop.stats.sample_ratio_sequential import sequential_srm
from recloop.stats.sequences import always_valid, sequential_inflation
from recloop.stats.spending import hwang_shih_decani_spending, obrien_fleming_spending, pocock_spending, power_spending
from recloop.stats.sprt import SPRT, Characteristic
from recloop.stats.strata import stratified
from recloop.stats.uniformity import Uniformity, uniformity
from recloop.stats.weighted_survey import survey_sums, weighted_prediction_powered
from recloop.stats.winsor import Winsorised, cap, winsorised

__all__ = [
    "SPRT",
    "SRM",
    "Adjusted",
    "Belief",
    "Beta",
    "Characteristic",
    "Comoments",
    "Effect",
    "Estimate",
    "Futility",
    "GroupSequential",
    "Heterogeneity",
    "Intersection",
    "Mean",
    "Moments",
    "Normal",
    "OneSample",
    "PredictionPowered",
    "Uniformity",
    "Winsorised",
    "always_valid",
    "always_valid_one_sample",
    "answers_needed",
    "beliefs",
    "benjamini_hochberg",
    "cap",
    "confidence_sequence",
    "cross_fitted",
    "cuped",
    "detectable_change",
    "heterogeneity",
    "holm",
    "hwang_shih_decani_spending",
    "impute",
    "mean_interval",
    "miettinen_nurminen",
    "msprt",
    "newcombe",
    "obrien_fleming_spending",
    "one_sample",
    "one_sample_size",
    "paired",
    "pocock_spending",
    "power_spending",
    "prediction_powered",
    "prediction_powered_difference",
    "prediction_powered_ratio",
    "quantile",
    "quantile_difference",
    "quantile_difference_sequence",
    "quantile_sequence",
    "ratio",
    "relative_change",
    "relative_lift",
    "ridge",
    "running_intersection",
    "sample_size",
    "sample_size_of_shares",
    "sequential_inflation",
    "sequential_srm",
    "srm",
    "stratified",
    "survey_sums",
    "uniformity",
    "weighted_prediction_powered",
    "welch",
    "wilson",
    "winsorised",
]
