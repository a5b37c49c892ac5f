"""Predictable models of the reward: what each arm would have given, told from the rounds before."""

import numpy as np

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive.log import AdaptiveLog, Array


def running_means(log: AdaptiveLog) -> Array:
    """(..., T, K): the mean reward of each arm over the rounds before.

    An arm without a pull is given the mean of all arms, and the first round zero. A round never sees its own reward, so
    the scores made with these means have the right expectation, whatever the means are.

    >>> log = AdaptiveLog.of([0, 1, 0], [2.0, 1.0, 4.0], [[0.5, 0.5]] * 3)
    >>> running_means(log).tolist()
    [[0.0, 0.0], [2.0, 2.0], [2.0, 1.0]]
    """
    pulled = log.pulled
    pulls, gains = _before(pulled.astype(np.float64)), _before(pulled * log.rewards[..., None])
    everyone = gains.sum(axis=-1, keepdims=True) / np.maximum(pulls.sum(axis=-1, keepdims=True), 1)
    means: Array = np.where(pulls > 0, gains / np.maximum(pulls, 1), everyone)
    return means


def ridge(log: AdaptiveLog, *, refit_every: int = 100, penalty: float = 1.0) -> Array:
    """(..., T, K): a ridge regression of the reward on the context per arm, refitted on all rounds before.

    The model is refitted every so many rounds; within them it stays, so no round is predicted from itself. What is
    shrunk is the distance from the mean reward so far: an arm without a pull is given that mean.

    Args:
        log: with contexts.
        refit_every: rounds between two fits.
        penalty: weight of the squared coefficients, above zero.

    Raises:
        DataError: the log has no contexts.
        SettingError: a setting is out of range.

    >>> rng = np.random.default_rng(1)
    >>> x, arms = rng.normal(size=(500, 1)), rng.integers(0, 2, 500)
    >>> log = AdaptiveLog.of(arms, 1 + 2 * x[:, 0] * arms, np.full((500, 2), 0.5), x)
    >>> guess = ridge(log, refit_every=50)
    >>> bool(np.abs(guess[-1] - [1, 1 + 2 * x[-1, 0]]).max() < 0.1)
    True
    """
    if log.contexts is None:
        raise DataError("the log has no contexts", advice="use running_means, or give contexts to AdaptiveLog.of")
    if refit_every < 1 or penalty <= 0:
        raise SettingError(
            f"refit_every is {refit_every} and penalty {penalty}", allowed="at least one round, and above zero"
        )
    x = np.concatenate([np.ones_like(log.contexts[..., :1]), log.contexts], axis=-1)
    pulled, y = log.pulled.astype(np.float64), log.rewards
    shape = (*y.shape[:-1], log.k, x.shape[-1])
    gram = np.broadcast_to(penalty * np.eye(x.shape[-1]), (*shape, x.shape[-1])).copy()
    towards, ones = np.zeros(shape), np.zeros(shape)  # sums of x y and of x, per arm
    total, guess = np.zeros(y.shape[:-1]), np.empty_like(log.propensities)
    for start in range(0, log.rounds, refit_every):
        rows = slice(start, start + refit_every)
        mean = total / max(start, 1)
        slopes = np.linalg.solve(gram, (towards - mean[..., None, None] * ones)[..., None])[..., 0]
        guess[..., rows, :] = mean[..., None, None] + np.einsum("...td,...kd->...tk", x[..., rows, :], slopes)
        part, chosen = x[..., rows, :], pulled[..., rows, :]
        gram += np.einsum("...tk,...td,...te->...kde", chosen, part, part, optimize=True)
        towards += np.einsum("...tk,...t,...td->...kd", chosen, y[..., rows], part, optimize=True)
        ones += np.einsum("...tk,...td->...kd", chosen, part)
        total += y[..., rows].sum(axis=-1)
    return guess


def _before(column: Array) -> Array:
    """Sums over the rounds before each round."""
    sums = np.zeros_like(column)
    np.cumsum(column[..., :-1, :], axis=-2, out=sums[..., 1:, :])
    return sums
