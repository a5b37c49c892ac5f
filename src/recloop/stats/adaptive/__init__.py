"""Inference under allocation that follows the rewards: bandits, and mixtures of bandit and experiment."""

from recloop.stats.adaptive.anytime import Steady, steady_contrast, steady_value
from recloop.stats.adaptive.band import Band
from recloop.stats.adaptive.best_arm import probability_best, probability_best_mean, with_floor
from recloop.stats.adaptive.betting import betting
from recloop.stats.adaptive.bounded import BoundedScores, bounded_contrast, bounded_value
from recloop.stats.adaptive.contextual import policy_value
from recloop.stats.adaptive.empirical_bernstein import empirical_bernstein
from recloop.stats.adaptive.evaluation_weights import evaluation_weights, stick_breaking, two_point_rates
from recloop.stats.adaptive.log import AdaptiveLog
from recloop.stats.adaptive.lyapunov import lyapunov, lyapunov_p_values
from recloop.stats.adaptive.mixture_design import average_effect, mixing_rate, mixture
from recloop.stats.adaptive.outcome_models import ridge, running_means
from recloop.stats.adaptive.readout import AdaptiveReadout, ArmReadout, read_adaptive
from recloop.stats.adaptive.scores import aipw
from recloop.stats.adaptive.values import Weighted, arm_values, contrast

__all__ = [
    "AdaptiveLog",
    "AdaptiveReadout",
    "ArmReadout",
    "Band",
    "BoundedScores",
    "Steady",
    "Weighted",
    "aipw",
    "arm_values",
    "average_effect",
    "betting",
    "bounded_contrast",
    "bounded_value",
    "contrast",
    "empirical_bernstein",
    "evaluation_weights",
    "lyapunov",
    "lyapunov_p_values",
    "mixing_rate",
    "mixture",
    "policy_value",
    "probability_best",
    "probability_best_mean",
    "read_adaptive",
    "ridge",
    "running_means",
    "steady_contrast",
    "steady_value",
    "stick_breaking",
    "two_point_rates",
    "with_floor",
]
