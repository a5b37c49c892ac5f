"""Off-policy evaluation: what a policy would have earned, from a log that another one made."""

from recloop.evaluate.off_policy.calibration import Calibration, propensity_calibration
from recloop.evaluate.off_policy.choice import error_bounds, slope
from recloop.evaluate.off_policy.confidence import anytime, bernstein, empirical_bernstein_interval, weighted_scores
from recloop.evaluate.off_policy.estimators import TITLES, Knowledge, estimates
from recloop.evaluate.off_policy.gate import Gate, Objection, effective_rewards, expected_rewards, missing_support
from recloop.evaluate.off_policy.inverse import clipped, ips, snips
from recloop.evaluate.off_policy.judge import judge_policies
from recloop.evaluate.off_policy.judgement import Estimated, Judged, Judgement
from recloop.evaluate.off_policy.logged import Logged, Target
from recloop.evaluate.off_policy.marginal import (
    blur,
    blurred_weights,
    category_tables,
    category_weights,
    marginal_weights,
)
from recloop.evaluate.off_policy.model_based import (
    direct,
    doubly_robust,
    self_normalised_doubly_robust,
    shrunk_doubly_robust,
    switch,
    switch_doubly_robust,
)
from recloop.evaluate.off_policy.reward_model import cross_fitted
from recloop.evaluate.off_policy.slates import (
    cascade,
    independent,
    pseudo_inverse,
    pseudo_inverse_weights,
    reward_interaction,
    standard,
)
from recloop.evaluate.off_policy.terms import Interval, Terms
from recloop.evaluate.off_policy.weights import WeightDiagnostics, diagnose, effective_sample_size, importance_weights

__all__ = [
    "TITLES",
    "Calibration",
    "Estimated",
    "Gate",
    "Interval",
    "Judged",
    "Judgement",
    "Knowledge",
    "Logged",
    "Objection",
    "Target",
    "Terms",
    "WeightDiagnostics",
    "anytime",
    "bernstein",
    "blur",
    "blurred_weights",
    "cascade",
    "category_tables",
    "category_weights",
    "clipped",
    "cross_fitted",
    "diagnose",
    "direct",
    "doubly_robust",
    "effective_rewards",
    "effective_sample_size",
    "empirical_bernstein_interval",
    "error_bounds",
    "estimates",
    "expected_rewards",
    "importance_weights",
    "independent",
    "ips",
    "judge_policies",
    "marginal_weights",
    "missing_support",
    "propensity_calibration",
    "pseudo_inverse",
    "pseudo_inverse_weights",
    "reward_interaction",
    "self_normalised_doubly_robust",
    "shrunk_doubly_robust",
    "slope",
    "snips",
    "standard",
    "switch",
    "switch_doubly_robust",
    "weighted_scores",
]
