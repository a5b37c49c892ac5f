"""How much of alpha may be spent by a share of the planned information: 0 at the start, alpha at the end."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from recloop.errors import SettingError

Spending = Callable[[NDArray[np.float64], float], NDArray[np.float64]]


def obrien_fleming_spending(share: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Next to nothing early: 2 - 2 Phi(z / sqrt(share)), z the normal quantile of 1 - alpha / 2. For one side.

    Source: K. K. G. Lan, D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983).

    >>> obrien_fleming_spending(np.array([0.5, 1.0]), 0.025).round(5).tolist()
    [0.00153, 0.025]
    """
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = 2 * ndtr(ndtri(alpha / 2) / np.sqrt(share))
    return found


def pocock_spending(share: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """About evenly: alpha log(1 + (e - 1) share).

    Source: K. K. G. Lan, D. L. DeMets, Biometrika 70 (1983).

    >>> pocock_spending(np.array([0.5, 1.0]), 0.025).round(5).tolist()
    [0.0155, 0.025]
    """
    return alpha * np.log1p((math.e - 1) * share)


def power_spending(rho: float) -> Spending:
    """A power of the share, alpha share^rho: 1 is even, 3 is near O'Brien and Fleming's.

    Source: K. Kim, D. L. DeMets, "Design and analysis of group sequential tests based on the type I error spending
    rate function", Biometrika 74 (1987).

    >>> power_spending(3)(np.array([0.5, 1.0]), 0.025).round(5).tolist()
    [0.00312, 0.025]
    """
    if not rho > 0:
        raise SettingError(f"rho is {rho}", allowed="it is above 0", advice="use 3")
    return lambda share, alpha: alpha * np.power(share, rho)


def hwang_shih_decani_spending(gamma: float) -> Spending:
    """Exponential, alpha (1 - exp(-gamma share)) / (1 - exp(-gamma)).

    gamma -4 is near O'Brien and Fleming's, 0 is even, 1 is near Pocock's.

    Source: I. K. Hwang, W. J. Shih, J. S. DeCani, "Group sequential designs using a family of type I error probability
    spending functions", Statistics in Medicine 9 (1990).

    >>> hwang_shih_decani_spending(-4)(np.array([0.5, 1.0]), 0.025).round(5).tolist()
    [0.00298, 0.025]
    """
    if not math.isfinite(gamma):
        raise SettingError(f"gamma is {gamma}", allowed="a finite number", advice="use -4")
    if gamma == 0:
        return power_spending(1)
    return lambda share, alpha: alpha * np.expm1(-gamma * share) / math.expm1(-gamma)
