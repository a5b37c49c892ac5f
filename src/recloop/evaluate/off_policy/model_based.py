"""Estimates with a model of the reward, alone or beside weights.

``expected`` (n,) is what the model foretells of the action that was taken, ``baseline`` (n,) what it foretells of the
policy: the sum over actions of chance times prediction. Predictions come from rounds other than their own (see
``reward_model``), or the estimate is too sure of itself.
"""

import numpy as np

from recloop.evaluate.off_policy.inverse import above_zero, check
from recloop.evaluate.off_policy.terms import Array, Terms


def direct(baseline: Array) -> Terms:
    """The direct method: what the model foretells of the policy. No better than the model, however many rounds.

    Source: A. Beygelzimer, J. Langford, "The offset tree for learning with partial labels", KDD 2009.

    >>> direct(np.array([0.2, 0.4])).value
    0.30000000000000004
    """
    check(baseline=baseline)
    return Terms.of(baseline)


def doubly_robust(weights: Array, rewards: Array, expected: Array, baseline: Array) -> Terms:
    """The model, put right by what it got wrong: without bias where either propensities or model are right.

    Source: M. Dudik, J. Langford, L. Li, "Doubly robust policy evaluation and learning", ICML 2011.

    >>> doubly_robust(np.array([2.0, 0.5]), np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([0.6, 0.4])).value
    0.875
    """
    check(weights=weights, rewards=rewards, expected=expected, baseline=baseline)
    return Terms.of(baseline + weights * (rewards - expected))


def self_normalised_doubly_robust(weights: Array, rewards: Array, expected: Array, baseline: Array) -> Terms:
    """Doubly robust with the correction divided by the sum of the weights instead of the rounds.

    Source: N. Kallus, M. Uehara, "Intrinsically efficient, stable, and bounded off-policy evaluation", NeurIPS 2019.

    >>> w, r, q, v = np.array([2.0, 0.5]), np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([0.6, 0.4])
    >>> self_normalised_doubly_robust(w, r, q, v).value
    0.8
    """
    check(weights=weights, rewards=rewards, expected=expected, baseline=baseline)
    return Terms.of(baseline).plus(Terms.of(weights * (rewards - expected), weights))


def switch(weights: Array, rewards: Array, beyond: Array, threshold: float) -> Terms:
    """Weights up to a threshold; beyond it the model.

    Args:
        weights: (n,) of the action taken.
        rewards: (n,).
        beyond: (n,) the sum over those actions whose weight is above the threshold of chance times prediction.
        threshold: largest weight that is trusted.

    Source: Y.-X. Wang, A. Agarwal, M. Dudik, "Optimal and adaptive off-policy evaluation in contextual bandits",
    ICML 2017.

    >>> switch(np.array([4.0, 0.5]), np.array([1.0, 1.0]), np.array([0.3, 0.2]), threshold=2.0).value
    0.5
    """
    check(weights=weights, rewards=rewards, beyond=beyond)
    kept = np.where(weights <= above_zero(threshold, "threshold"), weights, 0.0)
    return Terms.of(kept * rewards + beyond)


def switch_doubly_robust(weights: Array, rewards: Array, expected: Array, baseline: Array, threshold: float) -> Terms:
    """Doubly robust where the weight is at most the threshold, the model elsewhere.

    Source: Wang, Agarwal, Dudik 2017, section 4.

    >>> w, r, q, v = np.array([4.0, 0.5]), np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([0.6, 0.4])
    >>> switch_doubly_robust(w, r, q, v, threshold=2.0).value
    0.375
    """
    kept = np.where(weights <= above_zero(threshold, "threshold"), weights, 0.0)
    return doubly_robust(kept, rewards, expected, baseline)


def shrunk_doubly_robust(weights: Array, rewards: Array, expected: Array, baseline: Array, strength: float) -> Terms:
    """Doubly robust with optimistic shrinkage: each weight w becomes ``strength * w / (w^2 + strength)``.

    A strength of infinity is doubly robust, one near 0 the model alone.

    Source: Y. Su, M. Dimakopoulou, A. Krishnamurthy, M. Dudik, "Doubly robust off-policy evaluation with shrinkage",
    ICML 2020.

    >>> w, r, q, v = np.array([2.0, 0.5]), np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([0.6, 0.4])
    >>> round(shrunk_doubly_robust(w, r, q, v, strength=4.0).value, 4)
    0.6324
    """
    return doubly_robust(shrunk(weights, strength), rewards, expected, baseline)


def shrunk(weights: Array, strength: float) -> Array:
    """(n,) the weights of ``shrunk_doubly_robust``.

    >>> shrunk(np.array([2.0, 0.5]), 4.0).tolist()
    [1.0, 0.47058823529411764]
    """
    above_zero(strength, "strength")
    if np.isinf(strength):
        return weights
    found: Array = strength * weights / (np.square(weights) + strength)
    return found
