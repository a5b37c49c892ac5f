"""The error rate of one comparison where several treatments are held against one control."""

import math

import numpy as np
import scipy
from scipy.special import ndtr, ndtri

from recloop.errors import SettingError
from recloop.stats.effect import check_alpha

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


def per_comparison(alpha: float, treatments: int) -> float:
    """What each of several comparisons may spend so that all together spend alpha (Bonferroni).

    Right for any comparisons, and the first step of Holm, by which experiments are decided.

    >>> per_comparison(0.05, 4)
    0.0125
    """
    check_alpha(alpha)
    if treatments < 1:
        raise SettingError(f"{treatments} treatments", allowed="at least 1")
    return alpha / treatments


def dunnett(alpha: float, treatments: int, share: float = 0.5) -> float:
    """What each of several comparisons with one control may spend, less careful than Bonferroni since they depend.

    All treatments are held against the same control, so that their errors go together: with arms of equal size any two
    have correlation 1/2. The chance that the largest of them exceeds c is integrated over what the control adds.

    Args:
        alpha: error rate of all comparisons together, two-sided.
        treatments: how many, each with as many users as the others.
        share: one treatment's share of the users of it and the control together.

    Source: C. W. Dunnett, "A multiple comparison procedure for comparing several treatments with a control", JASA 50
    (1955), for known variances.

    >>> round(dunnett(0.05, 1), 6), round(dunnett(0.05, 4), 4)
    (0.05, 0.0146)
    """
    check_alpha(alpha)
    if treatments < 1:
        raise SettingError(f"{treatments} treatments", allowed="at least 1")
    if not 0 < share < 1:
        raise SettingError(f"share is {share}", allowed="treatment's share of users lies between 0 and 1")
    common = math.sqrt(
        share
    )  # of the variance of each difference, 1/(1 - share) + 1/share, the control adds that share
    own = math.sqrt(1 - share)

    def excess(c: float) -> float:
        inside = ndtr((c - common * NODES) / own) - ndtr((-c - common * NODES) / own)
        return 1 - float(WEIGHTS @ inside**treatments) / math.sqrt(2 * math.pi) - alpha

    widest = float(ndtri(1 - alpha / (2 * treatments))) + 1e-9
    return 2 * float(ndtr(-scipy.optimize.brentq(excess, 0.0, widest, xtol=1e-12)))
