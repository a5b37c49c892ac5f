import math

from scipy.special import lambertw

from recloop.errors import SettingError
from recloop.stats.effect import Effect, check_alpha, effect
from recloop.stats.moments import Moments


def always_valid(treatment: Moments, control: Moments, alpha: float = 0.05, *, planned: int) -> Effect:
    """Difference of two arms whose interval holds at every look at once: peek whenever you like, stop when you like.

    The asymptotic confidence sequence of Waudby-Smith and others, for the difference of two means or two ratios. Users
    enter one by one; after N users of both arms, with s the standard error of the difference, the interval is
    the difference plus or minus ``s * boundary(N)``, where::

        boundary(N) = sqrt(2 (N rho^2 + 1) / (N rho^2) * log(sqrt(N rho^2 + 1) / alpha))

    and rho is the one that makes it narrowest at ``planned`` users. The p-value is the smallest alpha, with rho as it
    is, at which zero is left out; it too may be looked at any time. The price at the planned size is an interval
    about 1.5 times as wide as one that is looked at once.

    It is asymptotic: skip the first looks (some dozens of users an arm), and more where the metric is skewed. It
    treats each user as one draw whose outcome is what is known of that user so far.

    Args:
        treatment: moments of the users of one arm; two columns make a ratio.
        control: moments of the users of the other.
        alpha: chance that the sequence ever leaves out the truth.
        planned: users of both arms at which the interval shall be narrowest; fixed before the start.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52 (2024), theorem 2.2, section 2.4 (choice of rho) and
    section 3 (difference of two arms).

    Raises:
        DataError: an arm has fewer than two users, or a denominator that sums to zero.
        SettingError: ``planned`` or ``alpha`` is out of range.

    >>> a, b = Moments.from_summary(500, 0.60, 0.24), Moments.from_summary(500, 0.50, 0.25)
    >>> e = always_valid(a, b, planned=1000)
    >>> round(e.low, 4), round(e.high, 4), round(e.p_value, 4)
    (0.005, 0.195, 0.0321)
    """
    square = rho_square(planned, alpha)
    t, c = treatment.estimate(), control.estimate()
    n = t.n + c.n
    gap, variance = t.value - c.value, t.variance + c.variance
    if variance > 0:
        log_p = 0.5 * math.log1p(n * square) - gap * gap / variance * n * square / (2 * (n * square + 1))
        p = math.exp(min(log_p, 0.0))
    else:
        p = float(gap == 0)
    return effect(t, c, boundary(n, square, alpha), p, alpha, "always valid")


def boundary(n: float, rho_square: float, alpha: float) -> float:
    """Standard errors on either side of the estimate after n users."""
    v = n * rho_square
    return math.sqrt(2 * (v + 1) / v * (0.5 * math.log1p(v) - math.log(alpha)))


def rho_square(planned: int, alpha: float = 0.05) -> float:
    """The squared tuning parameter for which the interval is narrowest at ``planned`` users.

    Setting the derivative of the width to zero gives ``planned * rho^2 = -W(-alpha^2 / e) - 1``, with W the lower
    branch of Lambert's function.

    >>> round(rho_square(1000) * 1000, 3)
    8.212
    """
    check_alpha(alpha)
    if planned < 2:
        raise SettingError(f"planned is {planned}", allowed="at least 2 users", advice="see recloop.stats.sample_size")
    return (-float(lambertw(-(alpha**2) / math.e, -1).real) - 1) / planned
