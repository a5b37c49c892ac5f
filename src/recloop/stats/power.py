"""How many users an experiment needs, and how small a change a number of users can show. By the normal distribution."""

import math

from scipy.special import ndtri

from recloop.errors import SettingError
from recloop.stats.effect import check_alpha


def sample_size(
    variance: float,
    change: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    treatment_variance: float | None = None,
) -> int:
    """Users of both arms together that show a true change with the wanted power, two-sided.

    Args:
        variance: what one control user adds: ``Moments.unit_variance`` of a pilot, for a mean as for a ratio.
        change: the smallest change worth finding, in the metric's unit.
        alpha: error rate where nothing changed.
        power: chance to find the change where it is there.
        share: treatment's share of the users of both arms.
        treatment_variance: that of a treatment user where it differs.

    Source: S.-C. Chow, J. Shao, H. Wang, "Sample size calculations in clinical research", 2nd edition, section 3.2.

    >>> sample_size(1.0, 0.2)
    785
    """
    if not change:
        raise SettingError("the change to find is 0", allowed="it is not zero", advice="name the smallest that matters")
    spread = _spread(variance, variance if treatment_variance is None else treatment_variance, share)
    return math.ceil(_quantiles(alpha, power) ** 2 * spread / change**2)


def sample_size_of_shares(
    control: float, treatment: float, *, alpha: float = 0.05, power: float = 0.8, share: float = 0.5
) -> int:
    """Users of both arms together that tell two shares apart, each with its own variance p (1 - p).

    >>> sample_size_of_shares(0.10, 0.12)
    7677
    """
    for value in (control, treatment):
        if not 0 < value < 1:
            raise SettingError(f"a share of users is {value}", allowed="it lies between 0 and 1")
    return sample_size(
        control * (1 - control),
        treatment - control,
        alpha=alpha,
        power=power,
        share=share,
        treatment_variance=treatment * (1 - treatment),
    )


def detectable_change(
    variance: float, users: int, *, alpha: float = 0.05, power: float = 0.8, share: float = 0.5
) -> float:
    """The smallest true change that so many users of both arms together show with the wanted power (MDE).

    >>> round(detectable_change(1.0, 785), 3)
    0.2
    """
    if users < 2:
        raise SettingError(f"{users} users", allowed="at least 2")
    return _quantiles(alpha, power) * math.sqrt(_spread(variance, variance, share) / users)


def _quantiles(alpha: float, power: float) -> float:
    check_alpha(alpha)
    if not alpha < power < 1:
        raise SettingError(f"power is {power}", allowed="it lies between alpha and 1", advice="use 0.8")
    return float(ndtri(1 - alpha / 2) + ndtri(power))


def _spread(control: float, treatment: float, share: float) -> float:
    if not 0 < share < 1:
        raise SettingError(f"share is {share}", allowed="treatment's share of users lies between 0 and 1")
    if not (control >= 0 and treatment >= 0):
        raise SettingError(f"variances are {control} and {treatment}", allowed="none is negative")
    return control / (1 - share) + treatment / share
