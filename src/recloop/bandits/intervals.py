"""What arms earn at least and at most."""

import numpy as np
from scipy import special

from recloop.bandits.indices import kl_upper
from recloop.bandits.state import Array


def rate_interval(pulls: Array, total: Array, risk: float) -> tuple[Array, Array]:
    """(k,) the least and the greatest rate of each arm that its rewards in [0, 1] do not rule out.

    All rates q with ``n kl(mean, q) <= ln((n + 1) k / risk)``: the mixture of the likelihood over even priors is a
    martingale, so the intervals of all arms hold at all times together but for the risk (J. Ville 1939; H. Robbins,
    "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41, 1970).

    Args:
        pulls: (k,) outcomes of each arm.
        total: (k,) sums of their rewards.
        risk: that one of them ever fails.

    >>> low, high = rate_interval(np.array([100.0, 0.0]), np.array([20.0, 0.0]), 0.05)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.073, 0.0], [0.39, 1.0])
    """
    tried = np.maximum(pulls, 1e-300)
    mean = np.clip(np.where(pulls > 0, total / tried, 0.5), 0.0, 1.0)
    allowed = np.log((pulls + 1) * len(pulls) / risk) / tried
    low, high = 1 - kl_upper(1 - mean, allowed), kl_upper(mean, allowed)
    return np.where(pulls > 0, low, 0.0), np.where(pulls > 0, high, 1.0)


def linear_interval(mean: Array, variance: Array, risk: float) -> tuple[Array, Array]:
    """(n, k) what arms earn at least and at most as far as normal beliefs go, within [0, 1].

    Args:
        mean: (n, k) of the expected rewards.
        variance: (n, k) of what is believed of them.
        risk: that one of the k lies outside, for one choice.

    >>> low, high = linear_interval(np.array([[0.5]]), np.array([[0.01]]), 0.05)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([[0.304]], [[0.696]])
    """
    reach = -special.ndtri(risk / (2 * mean.shape[1])) * np.sqrt(variance)
    return np.clip(mean - reach, 0.0, 1.0), np.clip(mean + reach, 0.0, 1.0)
