"""Estimates that need weights and rewards alone. Each gives ``Terms``: its value, its error, its intervals."""

import math

import numpy as np

from recloop.errors import DataError, SettingError
from recloop.evaluate.off_policy.terms import Array, Terms


def ips(weights: Array, rewards: Array) -> Terms:
    """Inverse propensity scoring: the mean of weight times reward.

    Without bias where propensities are right and every action of the policy had a chance. Noisy where weights are
    large.

    Args:
        weights: (n,) as from ``importance_weights``.
        rewards: (n,).

    Source: D. G. Horvitz, D. J. Thompson, JASA 47 (1952); for logs, L. Li, W. Chu, J. Langford, X. Wang, WSDM 2011.

    Raises:
        DataError: lengths differ, or a value is NaN or infinite.

    >>> ips(np.array([2.0, 0.5]), np.array([1.0, 0.0])).value
    1.0
    """
    check(weights=weights, rewards=rewards)
    return Terms.of(weights * rewards)


def snips(weights: Array, rewards: Array) -> Terms:
    """Self-normalised inverse propensity scoring: the mean of the rewards, weighted.

    A small bias, of the order of 1 / effective rounds, for far less noise; it stays between the smallest and the
    largest reward, and adding a number to all rewards adds just that to the estimate.

    Source: A. Swaminathan, T. Joachims, "The self-normalized estimator for counterfactual learning", NIPS 2015.

    >>> snips(np.array([2.0, 0.5]), np.array([1.0, 0.0])).value
    0.8
    """
    check(weights=weights, rewards=rewards)
    return Terms.of(weights * rewards, weights)


def clipped(weights: Array, rewards: Array, ceiling: float) -> Terms:
    """Inverse propensity scoring with weights cut at a ceiling: less noise, and too low where it cuts.

    Source: E. L. Ionides, "Truncated importance sampling", JCGS 17 (2008).

    >>> clipped(np.array([2.0, 0.5]), np.array([1.0, 1.0]), ceiling=1.0).value
    0.75
    """
    return ips(np.minimum(weights, above_zero(ceiling, "ceiling")), rewards)


def above_zero(number: float, name: str) -> float:
    """The number, or the error that says that it is not above zero."""
    if not number > 0 or math.isnan(number):
        raise SettingError(f"the {name} is {number}", allowed="it is above 0", advice="use 10, or let the data choose")
    return number


def check(**columns: Array) -> None:
    """Raise DataError where columns differ in their first length, or a value is NaN or infinite."""
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise DataError(f"there are {said}", allowed="one of each per round")
    for name, column in columns.items():
        wrong = ~np.isfinite(column)
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            raise DataError(
                f"{int(wrong.sum()):,} of {wrong.size:,} {name} are NaN or infinite, first in row {row + 1}",
                allowed="numbers only",
                advice="leave these rounds out, and say so",
            )
