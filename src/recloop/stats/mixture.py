import math
from typing import Literal

import scipy
from scipy.special import lambertw, log_ndtr

from recloop.errors import SettingError
from recloop.stats.effect import Effect, check_alpha, effect, one_sided
from recloop.stats.moments import Moments

Alternative = Literal["two-sided", "greater", "less"]


def confidence_sequence(
    treatment: Moments,
    control: Moments,
    alpha: float = 0.05,
    *,
    planned: int,
    alternative: Alternative = "two-sided",
) -> Effect:
    """Difference of two arms whose interval holds at every look, by the normal mixture: no horizon, equal care for all.

    The asymptotic confidence sequence for the difference of two means or two ratios. Users enter one by one; after N
    users of both arms, with s the standard error of the difference, the interval is the difference plus or minus
    ``s`` times::

        sqrt(2 (N rho^2 + 1) / (N rho^2) * log(sqrt(N rho^2 + 1) / alpha))

    and rho is the one that makes it narrowest at ``planned`` users. The p-value is the smallest alpha, with rho as it
    is, at which zero is left out; it too may be looked at any time. With ``alternative`` the interval has one end, from
    the mixture over the half of the normal distribution that the alternative names; it is nearer than that of the
    two-sided one, and spends no error on the other side.

    Take ``always_valid`` where an experiment has a size that it is planned for: it is narrower from half of that size
    to twice of it. This one is narrower far beyond, and before a tenth of it.

    Args:
        treatment: moments of the users of one arm; two columns make a ratio.
        control: moments of the users of the other.
        alpha: chance that the sequence ever leaves out the truth.
        planned: users of both arms at which the interval shall be narrowest; fixed before the start.
        alternative: ``greater`` gives a lower end only (is the treatment above the control?), ``less`` an upper end.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52 (2024), theorem 2.2, section 2.4 (choice of rho), section
    3 (difference of two arms) and the appendix on one-sided sequences.

    Raises:
        DataError: an arm has fewer than two users, or a denominator that sums to zero.
        SettingError: ``planned``, ``alpha`` or ``alternative`` is out of range.

    >>> a, b = Moments.from_summary(500, 0.60, 0.24), Moments.from_summary(500, 0.50, 0.25)
    >>> e = confidence_sequence(a, b, planned=1000)
    >>> round(e.low, 4), round(e.high, 4), round(e.p_value, 4)
    (0.005, 0.195, 0.0321)
    >>> e = confidence_sequence(a, b, planned=1000, alternative="greater")
    >>> round(e.low, 4), e.high, round(e.p_value, 4)
    (0.0134, inf, 0.0164)
    """
    side = sign(alternative)
    check_alpha(alpha)
    square = rho_square(planned, min(2 * alpha, 0.9) if side else alpha)
    t, c = treatment.estimate(), control.estimate()
    n, gap, variance = t.n + c.n, t.value - c.value, t.variance + c.variance
    known = variance > 0
    p = p_value(gap / math.sqrt(variance), n * square, side) if known else float(gap == 0 or gap * side < 0)
    critical = one_sided_boundary(n * square, alpha) if side else boundary(n * square, alpha)
    return one_sided(effect(t, c, critical, p, alpha, "confidence sequence"), side)


def sign(alternative: Alternative) -> int:
    """+1 for greater, -1 for less, 0 for two-sided.

    Raises:
        SettingError: it is none of them.
    """
    try:
        return {"two-sided": 0, "greater": 1, "less": -1}[alternative]
    except KeyError:
        raise SettingError(
            f"alternative is '{alternative}'", allowed="'two-sided', 'greater' or 'less'", advice="use 'two-sided'"
        ) from None


def p_value(z: float, v: float, side: int = 0) -> float:
    """One over the mixture likelihood ratio at z standard errors, at most 1.

    ``v`` is the variance of the mixture over that of the estimate: ``N rho^2``.
    """
    if not side:
        return math.exp(min(0.5 * math.log1p(v) - z * z * v / (2 * (v + 1)), 0.0))
    return math.exp(min(_log_half(side * z, v), 0.0))


def boundary(v: float, alpha: float) -> float:
    """Standard errors on either side of the estimate."""
    return math.sqrt(2 * (v + 1) / v * (0.5 * math.log1p(v) - math.log(alpha)))


def one_sided_boundary(v: float, alpha: float) -> float:
    """Standard errors on the one side of the estimate: the exact inversion, a little below the closed form."""
    top = closed_one_sided_boundary(v, alpha)
    return float(scipy.optimize.brentq(lambda z: _log_half(z, v) - math.log(alpha), 0.0, top, xtol=1e-12))


def closed_one_sided_boundary(v: float, alpha: float) -> float:
    """The published closed form, from a bound on the normal distribution: never below the exact one.

    >>> round(one_sided_boundary(8.0, 0.05), 3), round(closed_one_sided_boundary(8.0, 0.05), 3)
    (2.768, 2.78)
    """
    return math.sqrt(2 * (v + 1) / v * math.log1p(math.sqrt(v + 1) / (2 * alpha)))


def _log_half(z: float, v: float) -> float:
    """Minus the log of the likelihood ratio of the mixture over half a normal distribution."""
    x = z * math.sqrt(v / (v + 1))
    return 0.5 * math.log1p(v) - x * x / 2 - math.log(2) - float(log_ndtr(x))


def rho_square(planned: int, alpha: float = 0.05) -> float:
    """The squared tuning parameter for which the two-sided interval is narrowest at ``planned`` users.

    Setting the derivative of the width to zero gives ``planned * rho^2 = -W(-alpha^2 / e) - 1``, with W the lower
    branch of Lambert's function. For one side, twice its alpha serves.

    >>> round(rho_square(1000) * 1000, 3)
    8.212
    """
    check_alpha(alpha)
    if planned < 2:
        raise SettingError(f"planned is {planned}", allowed="at least 2 users", advice="see recloop.stats.sample_size")
    return (-float(lambertw(-(alpha**2) / math.e, -1).real) - 1) / planned
