"""Values of arms, and how far they are apart, from weighted scores."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from recloop.stats.adaptive.log import Array
from recloop.stats.effect import check_alpha

Users = NDArray[np.int64]


class Weighted(NamedTuple):
    """Weighted means of scores with the variances of these means (squared standard errors)."""

    value: Array
    variance: Array

    def interval(self, alpha: float = 0.05) -> tuple[Array, Array]:
        """Ends of the normal interval."""
        check_alpha(alpha)
        half = -ndtri(alpha / 2) * np.sqrt(self.variance)
        return self.value - half, self.value + half


def arm_values(scores: Array, weights: Array, users: Users | None = None) -> Weighted:
    """The value of each arm: the weighted mean of its scores over the rounds.

    ``value = sum(h * score) / sum(h)``, with the variance ``sum(h^2 (score - value)^2) / sum(h)^2``. With weights that
    steady the variance the studentised value is normal in the limit, although the data were gathered adaptively.

    Args:
        scores: (..., T, K), as from ``aipw``.
        weights: (..., T, K), as from ``evaluation_weights``.
        users: (T,) the place of the user of each round, from 0, where users return. What one user does hangs together,
            so deviations are summed up per user before they are squared.

    Source: Hadad and others, PNAS 118 (2021).

    >>> arm_values(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
    Weighted(value=array([2.]), variance=array([0.5]))
    """
    total = weights.sum(axis=-2)
    value = (weights * scores).sum(axis=-2) / total
    parts = by_user(weights * (scores - value[..., None, :]), users)
    return Weighted(value, np.square(parts).sum(axis=-2) / total**2)


def contrast(scores: Array, weights: Array, treatment: int, control: int, users: Users | None = None) -> Weighted:
    """The value of one arm minus that of another; the variance knows that both were seen in the same rounds.

    Source: Hadad and others 2021, on treatment effects.

    >>> contrast(np.array([[1.0, 0.0], [3.0, 2.0]]), np.ones((2, 2)), 0, 1)
    Weighted(value=array(1.), variance=array(0.))
    """
    both = [treatment, control]
    value = arm_values(scores, weights).value
    shares = weights / weights.sum(axis=-2, keepdims=True)
    parts = by_user((shares * (scores - value[..., None, :]))[..., both], users)
    gap = value[..., treatment] - value[..., control]
    return Weighted(np.asarray(gap), np.asarray(np.square(parts[..., 0] - parts[..., 1]).sum(axis=-1)))


def by_user(parts: Array, users: Users | None) -> Array:
    """(..., users, K) sums over the rounds of each user; as they are where each round is one user."""
    if users is None:
        return parts
    sums = np.zeros((*parts.shape[:-2], int(users.max()) + 1, parts.shape[-1]))
    np.add.at(np.moveaxis(sums, -2, 0), users, np.moveaxis(parts, -2, 0))
    return sums
