import math

from recloop.errors import SettingError
from recloop.stats.effect import Effect, check_alpha, effect
from recloop.stats.mixture import boundary, p_value
from recloop.stats.moments import Moments


def msprt(treatment: Moments, control: Moments, alpha: float = 0.05, *, mixing_variance: float) -> Effect:
    """Mixture sequential probability ratio test of two arms, whose p-value and interval hold at every look.

    The likelihood of the difference is averaged over effects from a normal distribution around zero whose variance
    ``mixing_variance`` is fixed before the start, in the metric's unit squared: how large effects use to be. With V the
    variance of the difference and T the mixing variance, the likelihood ratio at a difference d is::

        sqrt(V / (V + T)) * exp(d^2 T / (2 V (V + T)))

    and the p-value is one over it. It is the test of several commercial platforms. Against ``confidence_sequence`` it
    differs in what is fixed: here the size of the effects, there the number of users. A mixing variance that is read
    from the data under test breaks the promise.

    Args:
        treatment: moments of the users of one arm; two columns make a ratio.
        control: moments of the users of the other.
        alpha: chance that the test ever rejects where nothing changed.
        mixing_variance: variance of the effects that earlier experiments had (their mean square), say.

    Source: R. Johari, P. Koomen, L. Pekelis, D. Walsh, "Always valid inference: continuous monitoring of A/B tests",
    Operations Research 70 (2022), section 4.

    Raises:
        DataError: an arm has fewer than two users, or a denominator that sums to zero.
        SettingError: ``mixing_variance`` or ``alpha`` is out of range.

    >>> a, b = Moments.from_summary(500, 0.60, 0.24), Moments.from_summary(500, 0.50, 0.25)
    >>> e = msprt(a, b, mixing_variance=0.05**2)
    >>> round(e.low, 4), round(e.high, 4), round(e.p_value, 4)
    (0.0005, 0.1995, 0.0482)
    """
    check_alpha(alpha)
    if not (math.isfinite(mixing_variance) and mixing_variance > 0):
        raise SettingError(
            f"mixing_variance is {mixing_variance}",
            allowed="a number above 0, in the metric's unit squared",
            advice="take the mean square of the effects that earlier experiments had",
        )
    t, c = treatment.estimate(), control.estimate()
    gap, variance = t.value - c.value, t.variance + c.variance
    if not variance > 0:
        return effect(t, c, 0.0, float(gap == 0), alpha, "mSPRT")
    v = mixing_variance / variance
    return effect(t, c, boundary(v, alpha), p_value(gap / math.sqrt(variance), v), alpha, "mSPRT")
