"""Shares of users: one with its interval, and the difference of two by intervals made for small counts."""

import math
from collections.abc import Callable

import scipy
from scipy.special import ndtr, ndtri

from recloop.errors import DataError
from recloop.stats.effect import Effect, check_alpha
from recloop.stats.means import Mean
from recloop.stats.moments import Moments


def wilson(ones: int, n: int, alpha: float = 0.05) -> Mean:
    """A share with the score interval: all shares that a test by their own variance does not reject.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Raises:
        DataError: no users, or more ones than users.

    >>> share = wilson(81, 263)
    >>> round(share.mean, 4), round(share.low, 4), round(share.high, 4)
    (0.308, 0.2553, 0.3662)
    """
    check_alpha(alpha)
    moments = Moments.of_share(ones, n)
    if not n:
        raise DataError("a share of no users", allowed="it needs at least one")
    return Mean(moments.mean, *_wilson(moments, -float(ndtri(alpha / 2))), n)


def newcombe(treatment: Moments, control: Moments, alpha: float = 0.05) -> Effect:
    """Difference of two shares, by the Wilson intervals of both (the hybrid score interval).

    In closed form, good from small counts on, and never outside -1 to 1. The relative change squares and adds the same
    Wilson intervals, so that both leave out zero together. The p-value is the smallest alpha at which they do.

    Args:
        treatment: moments of a column of zeros and ones, such as ``Moments.of_share(56, 70)``.
        control: those of the other arm.
        alpha: one minus the coverage.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17 (1998), method 10; A. Donner, G. Y. Zou, "Closed-form confidence
    intervals for functions of the normal mean and standard deviation", Statistical Methods in Medical Research 21
    (2012), for the ratio.

    Raises:
        DataError: an arm has no users, or holds other values than zero and one.

    >>> e = newcombe(Moments.of_share(56, 70), Moments.of_share(48, 80))
    >>> round(e.estimate, 4), round(e.low, 4), round(e.high, 4), round(e.p_value, 4)
    (0.2, 0.0524, 0.3339, 0.0081)
    """
    check_alpha(alpha)
    _require_shares(treatment, control)
    z, gap = -float(ndtri(alpha / 2)), treatment.mean - control.mean
    low, high = _newcombe(treatment, control, z)

    def away(z: float) -> float:  # how far zero is inside the limit on its side
        limits = _newcombe(treatment, control, z)
        return limits[0] if gap > 0 else -limits[1]

    return _effect(treatment, control, alpha, "Newcombe", (low, high), _mover(treatment, control, z), _last(gap, away))


def miettinen_nurminen(treatment: Moments, control: Moments, alpha: float = 0.05) -> Effect:
    """Difference of two shares, by the score test: all differences that it does not reject.

    The variance of each difference that is asked for is the one of the likeliest shares that differ so. At zero these
    are equal, and the test is the one of two pooled shares: its p-value is shown. The relative change holds all ratios
    that the score test of ratios does not reject; for the ratio one it is the same test. A little narrower than
    ``newcombe`` mostly, and closer to the nominal coverage; the better choice for rare events.

    Args:
        treatment: moments of a column of zeros and ones, such as ``Moments.of_share(56, 70)``.
        control: those of the other arm.
        alpha: one minus the coverage.

    Source: O. Miettinen, M. Nurminen, "Comparative analysis of two rates", Statistics in Medicine 4 (1985), equations
    8 to 10 and appendix I.

    Raises:
        DataError: an arm has no users, or holds other values than zero and one.

    >>> e = miettinen_nurminen(Moments.of_share(56, 70), Moments.of_share(48, 80))
    >>> round(e.estimate, 4), round(e.low, 4), round(e.high, 4), round(e.p_value, 4)
    (0.2, 0.0528, 0.3382, 0.0083)
    """
    check_alpha(alpha)
    _require_shares(treatment, control)
    z, gap = -float(ndtri(alpha / 2)), treatment.mean - control.mean

    def beyond(delta: float) -> float:
        return _score(treatment, control, delta)

    def beyond_ratio(log_ratio: float) -> float:
        return _score_of_ratio(treatment, control, math.exp(log_ratio))

    low = _crossing(lambda delta: beyond(delta) - z, -1.0, gap)
    high = _crossing(lambda delta: beyond(delta) + z, gap, 1.0)
    ratios = 0.0, math.inf
    if control.mean > 0:
        middle = math.log(treatment.mean / control.mean) if treatment.mean > 0 else -50.0
        below = math.exp(_crossing(lambda r: beyond_ratio(r) - z, -50.0, middle)) if treatment.mean > 0 else 0.0
        ratios = below, math.exp(_crossing(lambda r: beyond_ratio(r) + z, middle, 50.0))
    p = 2 * float(ndtr(-abs(beyond(0.0)))) if gap else 1.0
    return _effect(treatment, control, alpha, "Miettinen-Nurminen", (low, high), ratios, p)


def _effect(
    treatment: Moments,
    control: Moments,
    alpha: float,
    method: str,
    limits: tuple[float, float],
    ratios: tuple[float, float],
    p_value: float,
) -> Effect:
    known = control.mean > 0 and math.isfinite(ratios[1])
    return Effect(
        estimate=treatment.mean - control.mean,
        low=limits[0],
        high=limits[1],
        p_value=p_value,
        relative=treatment.mean / control.mean - 1 if known else math.nan,
        relative_low=ratios[0] - 1 if known else -math.inf,
        relative_high=ratios[1] - 1 if known else math.inf,
        treatment=treatment.mean,
        control=control.mean,
        alpha=alpha,
        method=method,
    )


def _require_shares(*arms: Moments) -> None:
    for arm in arms:
        if not arm.n:
            raise DataError("an arm has no users", allowed="a share needs at least one")
        if arm.x_mean is not None or abs(arm.m2 - arm.n * arm.mean * (1 - arm.mean)) > 1e-6 * max(arm.m2, 1e-6):
            raise DataError(
                "the column holds other values than zero and one",
                allowed="a share counts users who did something",
                advice="use stats.welch for means and stats.ratio for ratios",
            )


def _wilson(arm: Moments, z: float) -> tuple[float, float]:
    p, n, square = arm.mean, arm.n, z * z
    middle = (p + square / (2 * n)) / (1 + square / n)
    half = z * math.sqrt(p * (1 - p) / n + square / (4 * n * n)) / (1 + square / n)
    return (max(middle - half, 0.0) if p > 0 else 0.0), (min(middle + half, 1.0) if p < 1 else 1.0)


def _newcombe(treatment: Moments, control: Moments, z: float) -> tuple[float, float]:
    t, c = treatment.mean, control.mean
    (t_low, t_high), (c_low, c_high) = _wilson(treatment, z), _wilson(control, z)
    return t - c - math.hypot(t - t_low, c_high - c), t - c + math.hypot(t_high - t, c - c_low)


def _mover(treatment: Moments, control: Moments, z: float) -> tuple[float, float]:
    """Limits of the ratio: those r for which zero lies on the limit of t - r c."""
    t, c = treatment.mean, control.mean
    (t_low, t_high), (c_low, c_high) = _wilson(treatment, z), _wilson(control, z)
    a, b = t_low * (2 * t - t_low), c_high * (2 * c - c_high)
    low = a / (t * c + math.sqrt(max(t * t * c * c - a * b, 0.0))) if t * c > 0 else 0.0
    a, b = t_high * (2 * t - t_high), c_low * (2 * c - c_low)
    return low, (t * c + math.sqrt(max(t * t * c * c - a * b, 0.0))) / b if b > 0 else math.inf


def _last(gap: float, away: Callable[[float], float]) -> float:
    """The p-value of the z at which zero reaches the limit."""
    if not gap:
        return 1.0
    top = 1.0
    while away(top) > 0:  # the Wilson intervals grow to all of (0, 1)
        if top > 38:  # the tail of the normal is below the smallest double
            return 0.0
        top *= 2
    return 2 * float(ndtr(-float(scipy.optimize.brentq(away, 0.0, top, xtol=1e-12))))


def _score(treatment: Moments, control: Moments, delta: float) -> float:
    """Standard errors between the difference that was seen and ``delta``."""
    c = _likeliest(treatment, control, delta)
    t = min(max(c + delta, 0.0), 1.0)
    n = treatment.n + control.n
    variance = (t * (1 - t) / treatment.n + c * (1 - c) / control.n) * n / (n - 1)
    return _over(treatment.mean - control.mean - delta, variance)


def _likeliest(treatment: Moments, control: Moments, delta: float) -> float:
    """The control's share at the largest likelihood of two shares that differ by ``delta``: the root of a cubic."""
    n, ones = treatment.n + control.n, treatment.n * treatment.mean + control.n * control.mean
    own = control.n * control.mean
    l3, l2 = float(n), (treatment.n + 2 * control.n) * delta - n - ones
    l1, l0 = (control.n * delta - n - 2 * own) * delta + ones, own * delta * (1 - delta)
    q = (l2 / (3 * l3)) ** 3 - l1 * l2 / (6 * l3 * l3) + l0 / (2 * l3)
    p = math.copysign(math.sqrt(max((l2 / (3 * l3)) ** 2 - l1 / (3 * l3), 0.0)), q)
    angle = (math.pi + math.acos(min(max(q / p**3, -1.0), 1.0))) / 3 if p else 0.0
    x = 2 * p * math.cos(angle) - l2 / (3 * l3)
    for _ in range(2):  # for rare events two roots lie close together, and the cosine loses half of the figures
        slope = (3 * l3 * x + 2 * l2) * x + l1
        step = (((l3 * x + l2) * x + l1) * x + l0) / slope if slope else 0.0
        x -= step if abs(step) < 1e-6 else 0.0
    return min(max(x, 0.0, -delta), 1.0, 1.0 - delta)


def _score_of_ratio(treatment: Moments, control: Moments, ratio: float) -> float:
    """Standard errors between t - ratio c and zero."""
    n, ones = treatment.n + control.n, treatment.n * treatment.mean + control.n * control.mean
    b = treatment.n * ratio + treatment.n * treatment.mean + control.n + control.n * control.mean * ratio
    c = 2 * ones / (b + math.sqrt(max(b * b - 4 * n * ratio * ones, 0.0)))
    t = min(c * ratio, 1.0)
    variance = (t * (1 - t) / treatment.n + ratio * ratio * c * (1 - c) / control.n) * n / (n - 1)
    return _over(treatment.mean - ratio * control.mean, variance)


def _over(gap: float, variance: float) -> float:
    if variance > 0:
        return gap / math.sqrt(variance)
    return math.copysign(math.inf, gap) if gap else 0.0


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero; the end beyond which it would."""
    if falling(low) <= 0:
        return low
    if falling(high) >= 0:
        return high
    # brentq cannot start from infinite values
    return float(scipy.optimize.brentq(lambda x: max(min(falling(x), 1e9), -1e9), low, high, xtol=1e-15, rtol=1e-14))
