"""Intervals for weighted means of rewards that are not negative: lopsided, and wider where heavy weights are missing.

Where few rounds carry most of the weight, an estimate that is too low comes with an error that is too low as well: the
rounds that would raise both are missing from the log. Two things mend most of it. The variance is told for each value
that the truth may have, as Wilson's interval does; and it is raised by what the policies say that weights are in the
mean, where the log's own weights are smaller.
"""

import math

import numpy as np
from scipy.special import stdtrit

from recloop.evaluate.off_policy.logged import Logged, Target
from recloop.evaluate.off_policy.terms import Array, Interval
from recloop.stats.effect import check_alpha

METHOD = "score, by user"


def weights_to_come(log: Logged, target: Target, weights: Array, model: Array | None = None) -> float:
    """By how much the mean square weight that both policies promise is above that of the log; 1 where it is not.

    The mean square over all actions of the rounds, ``mean_x sum_a target(a|x)^2 / behaviour(a|x)``, is known where the
    chances of all actions are. It stands for the log's own as a ratio estimate does (W. G. Cochran, "Sampling
    techniques", 3rd ed. 1977, section 6.2), but never lowers an error. With a model of rewards that are not negative,
    squares also count by the reward that is foretold, as those of rewarded rounds make the error: the greater of both
    ratios is taken.

    Args:
        log: what was done.
        target: the policy.
        weights: (n,) of the log.
        model: (n, A) foretold rewards, as from ``cross_fitted``.

    >>> log = Logged.of(["a", "a", "a"], [1, 0, 1], [0.9] * 3, names=["a", "b"], behaviour=[[0.9, 0.1]] * 3)
    >>> target = Target.of("even", log, [0.5, 0.5])
    >>> round(weights_to_come(log, target, target.chances / log.propensities), 2)
    9.0
    """
    seen = float(np.square(weights).mean())
    if log.behaviour is None or target.distribution is None or not seen:
        return 1.0
    chances, behaviour = target.distribution, np.broadcast_to(log.behaviour, target.distribution.shape)
    each = np.divide(np.square(chances), behaviour, out=np.zeros(chances.shape), where=behaviour > 0)
    found = max(1.0, float(each.sum(axis=1).mean()) / seen)
    if model is None or log.rewards.min() < 0:
        return found
    foretold = float((np.square(weights) * model[np.arange(log.n), log.actions]).mean())
    return max(found, float((each * model).sum(axis=1).mean()) / foretold) if foretold > 0 else found


def score_interval(value: float, error: float, groups: int, alpha: float = 0.05) -> Interval:
    """All values x that a test with the variance ``error^2 x / value`` does not reject.

    The variance of a mean of rare rewards grows with the mean, so that the interval reaches further up than down. For a
    mean of many rewards that are not rare it is Student's t.

    Args:
        value: the estimate, above 0.
        error: its standard error.
        groups: users behind it.
        alpha: error rate.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), with
    the variance of a Poisson mean.

    >>> low, high, _ = score_interval(0.1, 0.02, 5000)
    >>> round(low, 4), round(high, 4)
    (0.0677, 0.1476)
    """
    check_alpha(alpha)
    far = (float(stdtrit(groups - 1, 1 - alpha / 2)) * error) ** 2 / value  # of (x - value)^2 = far * x
    middle, half = value + far / 2, math.sqrt(far * (value + far / 4))
    return Interval(middle - half, middle + half, METHOD)
