import math
from functools import lru_cache
from typing import Final

import numpy as np
import scipy
from scipy.special import log_ndtr, ndtri

from recloop.errors import SettingError
from recloop.stats.crossing import crossing_chance
from recloop.stats.effect import Effect, check_alpha, effect, one_sided
from recloop.stats.estimate import Estimate
from recloop.stats.mixture import Alternative, sign
from recloop.stats.moments import Moments

GROWTH: Final = 3.0  # of the squared boundary beyond the planned size, per unit of log(users)
STEP: Final = 0.5
# log of (chance that the boundary of height c is ever met from one side / chance of a normal above c), at c = 0.5, 1 …
SPENT: Final = (
    0.93825,
    1.08452,
    1.23017,
    1.39039,
    1.56148,
    1.73676,
    1.91082,
    2.08016,
    2.24288,
    2.39811,
    2.54564,
    2.68562,
    2.81841,
    2.94442,
    3.06413,
    3.17799,
    3.28645,
    3.38990,
)


def always_valid(
    treatment: Moments,
    control: Moments,
    alpha: float = 0.05,
    *,
    planned: int,
    alternative: Alternative = "two-sided",
) -> Effect:
    """Difference of two arms whose interval holds at every look at once: peek whenever you like, stop when you like.

    After N users of both arms, with s the standard error of the difference, the interval is the difference plus or
    minus ``s * boundary(N / planned, alpha)``::

        boundary(f, alpha) = c f^(-1/4)              up to the planned size (f <= 1)
                             sqrt(c^2 + 3 log f)     beyond

    with c such that a Brownian motion ever meets the curve with chance alpha, from the first user to the end of time.
    So looks need no schedule and no end. Most of the error is spent near the planned size, where the decision falls:
    there the interval is 1.31 times as wide as one that is looked at once (alpha 0.05), against 1.55 for the normal
    mixture (``confidence_sequence``). The p-value is the smallest alpha at which zero is left out; it too may be looked
    at any time.

    It is asymptotic, in that sums over users behave as Brownian motion: begin with some hundred users an arm, more
    where the metric is skewed. It treats each user as one draw whose outcome is what is known of that user so far.

    Args:
        treatment: moments of the users of one arm; two columns make a ratio.
        control: moments of the users of the other.
        alpha: chance that the sequence ever leaves out the truth.
        planned: users of both arms at which the experiment is planned to end; fixed before the start.
        alternative: ``greater`` gives a lower end only (is the treatment above the control?), ``less`` an upper end.

    Source: for intervals from a boundary, C. Jennison, B. W. Turnbull, "Interim analyses: the repeated confidence
    interval approach", JRSS B 51 (1989); up to the planned size the shape is that of S. K. Wang, A. A. Tsiatis,
    Biometrics 43 (1987), with Delta = 1/4, watched all the time; that estimated standard errors do: I. Waudby-Smith and
    others, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52 (2024).
    ``c`` is by ``crossing_chance``.

    Raises:
        DataError: an arm has fewer than two users, or a denominator that sums to zero.
        SettingError: ``planned``, ``alpha`` or ``alternative`` is out of range.

    >>> a, b = Moments.from_summary(500, 0.60, 0.24), Moments.from_summary(500, 0.50, 0.25)
    >>> e = always_valid(a, b, planned=1000)
    >>> round(e.low, 4), round(e.high, 4), round(e.p_value, 4)
    (0.0196, 0.1804, 0.0085)
    """
    t, c = treatment.estimate(), control.estimate()
    return always_valid_of(t, c, alpha, users=t.n + c.n, planned=planned, alternative=alternative)


def always_valid_of(
    treatment: Estimate,
    control: Estimate,
    alpha: float = 0.05,
    *,
    users: int,
    planned: int,
    alternative: Alternative = "two-sided",
    pairs: Estimate | None = None,
) -> Effect:
    """``always_valid`` of any two estimates that are means over users, such as adjusted ones.

    Args:
        treatment: the value of one arm.
        control: the value of the other.
        alpha: see ``always_valid``.
        users: of both arms, a user of both counted once.
        planned: see ``always_valid``.
        alternative: see ``always_valid``.
        pairs: the difference itself, where the values are correlated.

    >>> a, b = Moments.from_summary(500, 0.60, 0.24).estimate(), Moments.from_summary(500, 0.50, 0.25).estimate()
    >>> round(always_valid_of(a, b, users=1000, planned=1000).p_value, 4)
    0.0085
    """
    side = sign(alternative)
    check_alpha(alpha)
    if planned < 2:
        raise SettingError(f"planned is {planned}", allowed="at least 2 users", advice="see recloop.stats.sample_size")
    gap, variance = (
        (pairs.value, pairs.variance)
        if pairs
        else (treatment.value - control.value, treatment.variance + control.variance)
    )
    share = users / planned
    if variance > 0:
        z = gap / math.sqrt(variance)
        p = min(spent(height(side * z, share)), 1.0) if side else min(2 * spent(height(abs(z), share)), 1.0)
    else:
        p = float(gap == 0 or gap * side < 0)
    critical = boundary(share, alpha, one_sided=bool(side))
    return one_sided(effect(treatment, control, critical, p, alpha, "always valid", pairs), side)


def boundary(share: float, alpha: float, *, one_sided: bool = False) -> float:
    """Standard errors on either side of the estimate, or on one, at a share of the planned users.

    >>> [round(boundary(share, 0.05), 2) for share in (0.1, 0.5, 1, 2)]
    [4.57, 3.05, 2.57, 2.94]
    """
    c = _height_of(alpha if one_sided else alpha / 2)
    return c / math.sqrt(math.sqrt(share)) if share <= 1 else math.sqrt(c * c + GROWTH * math.log(share))


def sequential_inflation(alpha: float = 0.05, power: float = 0.8, *, alternative: Alternative = "two-sided") -> float:
    """Planned users of ``always_valid`` over those of a test with a single look, for the same power by then.

    Multiply ``sample_size`` by it. The experiment then ends sooner on average: most end before the planned size.

    Raises:
        SettingError: power is not between alpha and 1.

    >>> round(sequential_inflation(), 2)
    1.28
    """
    check_alpha(alpha)
    if not alpha < power < 1:
        raise SettingError(f"power is {power}", allowed="it lies between alpha and 1", advice="use 0.8")
    return _inflation(alpha / (1 if sign(alternative) else 2), power)


@lru_cache(maxsize=1024)
def _inflation(error: float, power: float) -> float:
    """Of an error rate on one side."""
    c, times = _height_of(error), np.geomspace(1e-3, 1.0, 60)

    def short(drift: float) -> float:
        return crossing_chance(lambda t: c * np.sqrt(np.sqrt(t)) - drift * t, times) - power

    once = float(ndtri(1 - error) + ndtri(power))
    return (float(scipy.optimize.brentq(short, once, 2 * once + 2, xtol=1e-3)) / once) ** 2


def height(z: float, share: float) -> float:
    """The c of the boundary that passes through z at a share of the planned users; 0 where none does."""
    if share <= 1:
        return max(z, 0.0) * math.sqrt(math.sqrt(share))
    return math.sqrt(max(z * abs(z) - GROWTH * math.log(share), 0.0))


def spent(c: float) -> float:
    """The chance that the boundary of height c is ever met from one side where nothing changed.

    Between the computed heights by a cubic spline; beyond the last one, where the chance is below 1e-17, by a line.
    """
    return math.exp(_log_spent(c))


def _log_spent(c: float) -> float:
    last = STEP * len(SPENT)
    more = float(_spline()(min(c, last))) + float(_spline()(last, 1)) * max(c - last, 0.0)
    return min(more + float(log_ndtr(-c)), 0.0)


@lru_cache(maxsize=1)
def _spline() -> "scipy.interpolate.CubicSpline":
    return scipy.interpolate.CubicSpline(STEP * np.arange(len(SPENT) + 1), [math.log(2), *SPENT])


@lru_cache(maxsize=1024)
def _height_of(error: float) -> float:
    return float(scipy.optimize.brentq(lambda c: _log_spent(c) - math.log(error), 0.0, 40.0, xtol=1e-12))
