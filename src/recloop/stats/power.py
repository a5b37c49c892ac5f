"""How many users an experiment needs, and how small a change a number of users can show. By the normal distribution.

All functions read ``variance``, what one control user adds to the metric's value: ``Moments.unit_variance`` of past
data, for a mean as for a ratio. What changes the price of a user is said by three settings that go together:

- ``correlation`` of the metric with a covariate from before the start, which leaves variance (1 - correlation^2);
- ``alpha``, which several treatments share (``per_comparison``, ``dunnett``);
- ``inflation`` of a rule that may end early: users over those of a test with one look (``sequential_inflation`` for
  the always-valid interval, ``GroupSequential.inflation`` for planned looks).
"""

import math

from scipy.special import ndtr, ndtri

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
    correlation: float = 0.0,
    inflation: float = 1.0,
) -> int:
    """Users of both arms together that show a true change with the wanted power, two-sided.

    Args:
        variance: what one control user adds: ``Moments.unit_variance`` of a pilot, for a mean as for a ratio.
        change: the smallest change worth finding, in the metric's unit.
        alpha: error rate where nothing changed.
        power: chance to find the change where it is there.
        share: treatment's share of the users of both arms.
        treatment_variance: that of a treatment user where it differs.
        correlation: of the metric with a covariate that adjusts it (CUPED).
        inflation: users over those of a single look, for a rule that may end early.

    Source: S.-C. Chow, J. Shao, H. Wang, "Sample size calculations in clinical research", 2nd edition, section 3.2;
    for the correlation A. Deng, Y. Xu, R. Kohavi, T. Walker, WSDM 2013, section 3.

    >>> sample_size(1.0, 0.2)
    785
    >>> sample_size(1.0, 0.2, correlation=0.6)
    503
    """
    if not (change and math.isfinite(change)):
        raise SettingError(
            f"the change to find is {change}",
            allowed="it is finite and not zero",
            advice="name the smallest that matters",
        )
    spread = _spread(variance, variance if treatment_variance is None else treatment_variance, share)
    return max(2, math.ceil(_price(alpha, power, correlation, inflation) * spread / change**2))


def sample_size_of_shares(
    control: float,
    treatment: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    correlation: float = 0.0,
    inflation: float = 1.0,
) -> int:
    """Users of both arms together that tell two shares apart, each with its own variance p (1 - p).

    Source: Chow, Shao & Wang, section 4.2.

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
        correlation=correlation,
        inflation=inflation,
    )


def sample_size_of_margin(
    variance: float,
    margin: float,
    *,
    loss: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    correlation: float = 0.0,
    inflation: float = 1.0,
) -> int:
    """Users of both arms together with which a guardrail holds: the interval rules out a loss as large as the margin.

    Args:
        variance: what one user adds.
        margin: the loss that must be ruled out, in the metric's unit.
        loss: the true loss; 0 where the treatment does none, negative where it gains.
        alpha: of the two-sided interval; half of it is the chance to pass a loss as large as the margin.
        power: chance that the guardrail holds.
        share: treatment's share of the users of both arms.
        correlation: of the metric with a covariate that adjusts it.
        inflation: users over those of a single look.

    Source: Chow, Shao & Wang, section 3.2.2.

    >>> sample_size_of_margin(1.0, 0.2)
    785
    """
    if not margin > loss:
        raise SettingError(
            f"the margin is {margin} and the true loss {loss}", allowed="a loss as large as the margin never passes"
        )
    return sample_size(
        variance,
        margin - loss,
        alpha=alpha,
        power=power,
        share=share,
        correlation=correlation,
        inflation=inflation,
    )


def one_sample_size(
    variance: float, value: float, *, alpha: float = 0.05, power: float = 0.8, inflation: float = 1.0
) -> int:
    """Users that tell a true value from zero with the wanted power, two-sided, by the normal distribution.

    Args:
        variance: what one user adds: ``Moments.unit_variance`` of a pilot.
        value: the smallest value worth finding.
        alpha: error rate where the value is zero.
        power: chance to find it where it is there.
        inflation: users over those of a single look, for a rule that may end early.

    Source: S.-C. Chow, J. Shao, H. Wang, "Sample size calculations in clinical research", 2nd edition, section 3.1.

    Raises:
        SettingError: a value is out of range.

    >>> one_sample_size(1.0, 0.2)
    197
    """
    if not variance >= 0:
        raise SettingError(f"variance is {variance}", allowed="it is not negative")
    if not value:
        raise SettingError("the value to find is 0", allowed="it is not zero", advice="name the smallest that matters")
    return max(2, math.ceil(_price(alpha, power, 0.0, inflation) * variance / value**2))


def sample_size_of_preference(
    wins: float, losses: float, *, alpha: float = 0.05, power: float = 0.8, inflation: float = 1.0
) -> int:
    """Users who show by interleaved slates that the treatment is preferred: each is their own control.

    A user counts +1 where more of what they took came from the treatment, -1 where less did, else 0. The mean of these
    is wins - losses, and its variance per user wins + losses - (wins - losses)^2.

    Args:
        wins: share of users who prefer the treatment.
        losses: share of users who prefer the control; the rest shows no preference.
        alpha: error rate where nobody prefers anything.
        power: chance to find the preference.
        inflation: users over those of a single look.

    Source: O. Chapelle, T. Joachims, F. Radlinski, Y. Yue, "Large-scale validation and analysis of interleaved search
    evaluation", ACM TOIS 30 (2012), section 3; the size is that of one mean, Chow, Shao & Wang, section 3.1.

    >>> sample_size_of_preference(0.30, 0.25)
    1719
    """
    if not (wins >= 0 and losses >= 0 and wins + losses <= 1):
        raise SettingError(f"wins are {wins} and losses {losses}", allowed="two shares of users, at most 1 together")
    if wins == losses:
        raise SettingError("as many users prefer one as the other", allowed="a preference to find is not zero")
    gap = wins - losses
    return one_sample_size(wins + losses - gap * gap, gap, alpha=alpha, power=power, inflation=inflation)


def detectable_change(
    variance: float,
    users: int,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    correlation: float = 0.0,
    inflation: float = 1.0,
) -> float:
    """The smallest true change that so many users of both arms together show with the wanted power (MDE).

    >>> round(detectable_change(1.0, 785), 3)
    0.2
    """
    if users < 2:
        raise SettingError(f"{users} users", allowed="at least 2")
    spread = _spread(variance, variance, share)
    return math.sqrt(_price(alpha, power, correlation, inflation) * spread / users)


def chance_to_find(
    variance: float,
    change: float,
    users: int,
    *,
    alpha: float = 0.05,
    share: float = 0.5,
    correlation: float = 0.0,
    treatment_variance: float | None = None,
) -> float:
    """The power of a single look: the chance that so many users of both arms together show a true change, either way.

    >>> round(chance_to_find(1.0, 0.2, 785), 3)
    0.8
    """
    check_alpha(alpha)
    if users < 2:
        raise SettingError(f"{users} users", allowed="at least 2")
    spread = _spread(variance, variance if treatment_variance is None else treatment_variance, share)
    left = spread * _left(correlation) / users
    if left == 0:
        return float(change != 0)
    drift, critical = abs(change) / math.sqrt(left), float(ndtri(1 - alpha / 2))
    return float(ndtr(drift - critical) + ndtr(-drift - critical))


def _price(alpha: float, power: float, correlation: float, inflation: float) -> float:
    if not (math.isfinite(inflation) and inflation >= 1):
        raise SettingError(f"inflation is {inflation}", allowed="at least 1: ending early costs users at the end")
    return _quantiles(alpha, power) ** 2 * _left(correlation) * inflation


def _left(correlation: float) -> float:
    if not -1 < correlation < 1:
        raise SettingError(f"correlation is {correlation}", allowed="it lies between -1 and 1")
    return 1 - correlation * correlation


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
