"""Exploring no more than one can afford: never expected more than some percent below the control."""

import numpy as np

from recloop.bandits.state import Array
from recloop.errors import SettingError


def conservative(share: Array, low: Array, high: Array, control: int, *, loss: float) -> Array:
    """(n, k) the chances of a bandit mixed with the control, as far as the loss allows.

    The mixture ``w * share + (1 - w) * control`` has the greatest w in [0, 1] for which what is lost at most,
    ``w Σ_a share_a (high_c - low_a)``, is no more than ``loss * low_c``. With bounds that hold, no choice is expected
    to earn less than ``1 - loss`` times what the control would. Source: Y. Wu, R. Shariff, T. Lattimore, C. Szepesvári,
    "Conservative bandits" (ICML 2016), with a constraint on each choice instead of on their sum.

    Args:
        share: (n, k) chances that the bandit wants.
        low: (k,) or (n, k) what each arm earns at least.
        high: (k,) or (n, k) what each arm earns at most.
        control: column of the control.
        loss: share of the control's reward that may be lost, 0 to 1.

    >>> conservative(np.array([[0.2, 0.8]]), np.array([0.4, 0.0]), np.array([0.5, 1.0]), 0, loss=0.1).round(3).tolist()
    [[0.92, 0.08]]
    """
    if not 0 <= loss <= 1:
        raise SettingError(f"loss is {loss}", allowed="between 0 and 1, such as 0.05")
    n, k = share.shape
    low, high = np.broadcast_to(low, (n, k)), np.broadcast_to(high, (n, k))
    base = high[:, control]
    # what is lost, at most, per chance that is taken from the control
    lost = np.maximum(base[:, None] - low, 0.0)
    lost[:, control] = 0.0
    risk = (share * lost).sum(axis=1)
    allowed = loss * low[:, control]
    weight = np.where(risk > allowed, allowed / np.maximum(risk, 1e-300), 1.0)[:, None]
    only = np.zeros(k)
    only[control] = 1.0
    return np.asarray(weight * share + (1 - weight) * only)
