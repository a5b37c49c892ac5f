"""The relative change of one arm over another in three ways, each with the p-value that belongs to it."""

import dataclasses
import math
from typing import Literal

from scipy.special import stdtr, stdtrit

from recloop.errors import SettingError, nearest
from recloop.stats.effect import Effect, difference, satterthwaite
from recloop.stats.estimate import Estimate
from recloop.stats.moments import Moments

Lift = Literal["fieller", "delta", "log"]
LIFTS = ("fieller", "delta", "log")


def relative_lift(treatment: Moments, control: Moments, alpha: float = 0.05, *, method: Lift = "fieller") -> Effect:
    """Difference of two means or ratios, with the relative change by the method named.

    With t and c the values of both arms and v their variances:

    * ``fieller``: all changes that are not rejected. It is exact for normal means, and it rejects no change exactly
      where the difference is not rejected. The default, and what ``welch`` and ``ratio`` show.
    * ``delta``: ``t / c - 1``, with the standard error ``sqrt(v_t + (t / c)^2 v_c) / c``; symmetric. It is what most
      tools show. Where the control is less than some twenty standard errors above zero, its misses lie on one side.
    * ``log``: the same on the scale of log(t / c), turned back. It never falls below -100%; for values above zero.

    All three share one policy: where the control is not more than the critical number of standard errors above zero (a
    baseline near zero, zero or negative) there is no relative change, its interval is (-inf, inf), and the p-value is
    that of the difference. No interval is ever turned upside down. By ``log`` the same holds of the
    treatment.

    Source: A. Deng, U. Knoblich, J. Lu, KDD 2018, section 2 (delta); E. C. Fieller, JRSS B 16 (1954).

    Raises:
        DataError: an arm has fewer than two users, or a denominator that sums to zero.
        SettingError: the method or ``alpha`` is not one of those allowed.

    >>> a, b = Moments.from_summary(900, 0.12, 0.1), Moments.from_summary(900, 0.10, 0.1)
    >>> for name in ("fieller", "delta", "log"):
    ...     e = relative_lift(a, b, method=name)
    ...     print(f"{e.relative_low:.3f} to {e.relative_high:.3f}, p = {e.p_value:.3f} ({e.scale})")
    -0.081 to 0.588, p = 0.180 (absolute)
    -0.123 to 0.523, p = 0.225 (relative)
    -0.083 to 0.571, p = 0.184 (relative)
    """
    t, c = treatment.estimate(), control.estimate()
    name = "Welch" if treatment.x_mean is None else "ratio, delta method"
    return difference_with_lift(t, c, alpha, satterthwaite(t, c), name, method)


def difference_with_lift(
    treatment: Estimate,
    control: Estimate,
    alpha: float,
    df: float,
    name: str,
    lift: Lift,
    pairs: Estimate | None = None,
) -> Effect:
    """``difference`` with its relative change by ``lift``; ``pairs``: the difference itself, of correlated arms."""
    if lift not in LIFTS:
        raise SettingError(f"the method of a relative change is {lift!r}", advice=nearest(str(lift), LIFTS))
    found = difference(treatment, control, alpha, df, name, pairs)
    if lift == "fieller" or not found.bounded:
        return found
    t, c = treatment.value, control.value
    covariance = (treatment.variance + control.variance - pairs.variance) / 2 if pairs else 0.0
    name = f"{name}, relative by {'the delta method' if lift == 'delta' else 'logarithms'}"
    critical = float(stdtrit(df, 1 - alpha / 2))
    if lift == "log" and t <= critical * math.sqrt(treatment.variance):
        return dataclasses.replace(
            found, relative=math.nan, relative_low=-math.inf, relative_high=math.inf, method=name
        )
    r = t / c
    variance = (treatment.variance - 2 * r * covariance + r * r * control.variance) / (c * c)
    error = math.sqrt(max(variance, 0.0)) / (r if lift == "log" else 1.0)
    centre = found.relative
    if lift == "log":
        centre = math.log(r) if r < 0.5 else math.log1p(centre)  # exact near zero and near no change
    half = critical * error
    low, high = centre - half, centre + half
    return dataclasses.replace(
        found,
        p_value=2 * float(stdtr(df, -abs(centre) / error)) if error > 0 else float(centre == 0),
        relative_low=math.expm1(low) if lift == "log" else low,
        relative_high=math.expm1(high) if lift == "log" else high,
        method=name,
        scale="relative",
    )
