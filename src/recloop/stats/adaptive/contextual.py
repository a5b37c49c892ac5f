from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive.log import AdaptiveLog, Array
from recloop.stats.adaptive.scores import aipw
from recloop.stats.adaptive.values import Weighted

PolicyWeighting = Literal["uniform", "stable-variance", "minimum-variance"]


def policy_value(
    log: AdaptiveLog,
    policy: ArrayLike,
    allocation: ArrayLike | None = None,
    version: ArrayLike | None = None,
    *,
    weighting: PolicyWeighting = "stable-variance",
    contextual: bool = True,
    predictions: Array | None = None,
) -> Weighted:
    """What a policy would have earned, told from what a contextual bandit did.

    A score of the policy has a variance of about ``v = sum(policy^2 / e)`` in its context. Rounds are weighted by
    ``1 / sqrt(v)`` ("stable-variance") or ``1 / v`` ("minimum-variance"; narrower, and further from normal); contextual
    weights do so in each context apart, the others by the mean of v over the contexts seen before.

    A bandit is updated now and then. Between two updates it is one version, and what each version would have done in
    each context of the log must be known: that is more than the propensities of the rounds themselves.

    Args:
        log: one log, no leading axes.
        policy: (T, K) the probability that the policy gives each arm in the context of each round.
        allocation: (V, T, K) the probability that version v of the bandit gives each arm in each of the T contexts.
        version: (T,) the version that drew in each round.
        weighting: "uniform" needs neither allocation nor version: it is the plain doubly robust estimate.
        contextual: whether weights hang on the context.
        predictions: (T, K) made from the rounds before, as from ``ridge``; running means by default.

    Source: R. Zhan, V. Hadad, D. A. Hirshberg, S. Athey, "Off-policy evaluation via adaptive weighting with data from
    contextual bandits", KDD 2021.

    Raises:
        DataError: shapes differ, the policy is none, or allocation and propensities disagree.
        SettingError: an unknown weighting.

    >>> log = AdaptiveLog.of([0, 1, 1], [1.0, 0.0, 1.0], [[0.5, 0.5], [0.5, 0.5], [0.25, 0.75]])
    >>> policy_value(log, [[0.0, 1.0]] * 3, weighting="uniform").value.round(3).tolist()
    0.111
    """
    if weighting not in get_args(PolicyWeighting):
        raise SettingError(f"weighting is {weighting!r}", allowed=f"one of {', '.join(get_args(PolicyWeighting))}")
    target = np.asarray(policy, dtype=np.float64)
    if target.shape != log.propensities.shape or log.arms.ndim != 1:
        raise DataError(f"the policy has the shape {target.shape}", allowed=f"{log.propensities.shape} is wanted")
    if target.min() < 0 or np.abs(target.sum(axis=1) - 1).max() > 1e-6:
        raise DataError("the policy gives probabilities that do not sum to one", allowed="each row is a distribution")
    gains = (target * aipw(log, predictions)).sum(axis=1)
    if weighting == "uniform":
        return _mean(gains, np.ones(log.rounds))
    chances, drew = _versions(log, allocation, version)
    spread = (np.square(target) / chances).sum(axis=2)  # (V, T): v of each version in each context
    if contextual:
        h = spread ** (-0.5 if weighting == "stable-variance" else -1.0)
        return _by_context(gains, h, drew)
    seen = np.cumsum(spread, axis=1)[drew[1:], np.arange(log.rounds - 1)] / np.arange(1, log.rounds)
    weights = np.zeros(log.rounds)  # nothing is known before the first round: it does not count
    weights[1:] = seen ** (-0.5 if weighting == "stable-variance" else -1.0)
    return _mean(gains, weights)


def _mean(gains: Array, weights: Array) -> Weighted:
    total = weights.sum()
    value = weights @ gains / total
    return Weighted(np.asarray(value), np.asarray(np.square(weights * (gains - value)).sum() / total**2))


def _by_context(gains: Array, h: Array, drew: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Weighted:
    rounds = np.arange(len(gains))
    # of each context's weights over all rounds, the share that each version has: rounds of a version share alike
    shares = h / (np.bincount(drew, minlength=len(h)) @ h)
    parts = shares[drew, rounds] * gains
    centres = shares @ parts  # what a round of each version is expected to add
    return Weighted(np.asarray(parts.sum()), np.asarray(np.square(parts - centres[drew]).sum()))


def _versions(
    log: AdaptiveLog, allocation: ArrayLike | None, version: ArrayLike | None
) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    if allocation is None or version is None:
        raise DataError(
            "adaptive weights need what each version of the bandit would have done in each context",
            advice="give allocation (V, T, K) and version (T,), or use weighting='uniform'",
        )
    chances, drew = np.asarray(allocation, dtype=np.float64), np.asarray(version, dtype=np.int64)
    if chances.ndim != 3 or chances.shape[1:] != log.propensities.shape or drew.shape != log.arms.shape:
        raise DataError(
            f"allocation and version have the shapes {chances.shape} and {drew.shape}",
            allowed=f"(V, {log.rounds}, {log.k}) and ({log.rounds},) are wanted",
        )
    if drew.min() < 0 or drew.max() >= len(chances) or not chances.min() > 0:
        raise DataError("a version is unknown, or gives an arm no chance", allowed="every propensity is above zero")
    if np.abs(chances[drew, np.arange(log.rounds)] - log.propensities).max() > 1e-6:
        raise DataError(
            "allocation and the recorded propensities disagree",
            allowed="allocation[version[t], t] is what round t recorded",
        )
    return chances, drew
