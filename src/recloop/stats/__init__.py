"""Inference from sums: pure functions, no rows where moments do, no input or output."""

from recloop.stats.adjusted import Adjusted
from recloop.stats.adjustment import cuped
from recloop.stats.comoments import Comoments
from recloop.stats.covariates import impute
from recloop.stats.cupac import cross_fitted
from recloop.stats.effect import Effect, relative_change
from recloop.stats.estimate import Estimate
from recloop.stats.heterogeneity import Heterogeneity, heterogeneity
from recloop.stats.lift import relative_lift
from recloop.stats.means import Mean, mean_interval, welch
from recloop.stats.moments import Moments
from recloop.stats.multiplicity import benjamini_hochberg, holm
from recloop.stats.pairs import paired
from recloop.stats.power import detectable_change, sample_size, sample_size_of_shares
from recloop.stats.proportions import miettinen_nurminen, newcombe, wilson
from recloop.stats.quantiles import quantile, quantile_difference
from recloop.stats.ratios import ratio
from recloop.stats.ridge_regression import ridge
from recloop.stats.sample_ratio import SRM, srm
from recloop.stats.sequences import always_valid
from recloop.stats.strata import stratified
from recloop.stats.uniformity import Uniformity, uniformity
from recloop.stats.winsor import Winsorised, cap, winsorised

__all__ = [
    "SRM",
    "Adjusted",
    "Comoments",
    "Effect",
    "Estimate",
    "Heterogeneity",
    "Mean",
    "Moments",
    "Uniformity",
    "Winsorised",
    "always_valid",
    "benjamini_hochberg",
    "cap",
    "cross_fitted",
    "cuped",
    "detectable_change",
    "heterogeneity",
    "holm",
    "impute",
    "mean_interval",
    "miettinen_nurminen",
    "newcombe",
    "paired",
    "quantile",
    "quantile_difference",
    "ratio",
    "relative_change",
    "relative_lift",
    "ridge",
    "sample_size",
    "sample_size_of_shares",
    "srm",
    "stratified",
    "uniformity",
    "welch",
    "wilson",
    "winsorised",
]
