"""The effect of one arm against another, in the metric's unit and relative to the control."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from scipy.special import stdtr, stdtrit

from recloop.errors import SettingError
from recloop.stats.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Treatment minus control, with its interval.

    ``relative`` and its interval are fractions of the control's value (0.1 is +10%). Where the control is not clearly
    above zero, a relative change has no bounds: ``relative`` is NaN and its interval is (-inf, inf). The relative
    interval leaves out zero exactly where the absolute one does, so that one p-value serves both. The one exception is
    a relative change by the delta method or by logarithms (``relative_lift``): there ``scale`` is "relative", and the
    p-value belongs to the relative interval alone.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    relative: float
    relative_low: float
    relative_high: float
    treatment: float
    control: float
    alpha: float
    method: str
    scale: Literal["absolute", "relative"] = "absolute"

    @property
    def bounded(self) -> bool:
        """Whether the relative change has an interval."""
        return math.isfinite(self.relative_low) and math.isfinite(self.relative_high)


def relative_change(
    treatment: Estimate, control: Estimate, critical: float, covariance: float = 0.0
) -> tuple[float, float, float]:
    """Relative change of treatment over control, with the interval of all changes that are not rejected.

    With d = t - c, a change of r is rejected where |d - r c| > critical * standard error of (d - r c). The set of those
    that remain is an interval exactly where the control lies more than ``critical`` standard errors above zero; in all
    other cases (a baseline near zero, zero or negative) the answer is (nan, -inf, inf): unbounded.

    Source: E. C. Fieller, "Some problems in interval estimation", JRSS B 16 (1954).

    >>> relative_change(Estimate(1.2, 0.01, 99), Estimate(1.0, 0.01, 99), 1.96)[0]
    0.19999999999999996
    >>> relative_change(Estimate(1.2, 0.01, 99), Estimate(0.1, 0.01, 99), 1.96)
    (nan, -inf, inf)
    """
    t, c, square = treatment.value, control.value, critical * critical
    a = c * c - square * control.variance
    if c <= 0 or a <= 0:
        return math.nan, -math.inf, math.inf
    b = (t - c) * c + square * (control.variance - covariance)  # solved for r, not for 1 + r: no figures are lost
    within = c * c * treatment.variance - 2 * t * c * covariance + t * t * control.variance
    spread = critical * math.sqrt(max(within - square * (treatment.variance * control.variance - covariance**2), 0.0))
    return (t - c) / c, (b - spread) / a, (b + spread) / a


def difference(
    treatment: Estimate, control: Estimate, alpha: float, df: float, method: str, pairs: Estimate | None = None
) -> Effect:
    """Treatment minus control by Student's t with ``df`` degrees of freedom (infinite: by the normal)."""
    check_alpha(alpha)
    gap, error = _gap(treatment, control, pairs)
    critical = float(stdtrit(df, 1 - alpha / 2))
    p = 2 * float(stdtr(df, -abs(gap) / error)) if error > 0 else float(gap == 0)
    return effect(treatment, control, critical, p, alpha, method, pairs)


def effect(
    treatment: Estimate,
    control: Estimate,
    critical: float,
    p_value: float,
    alpha: float,
    method: str,
    pairs: Estimate | None = None,
) -> Effect:
    """Treatment minus control, give or take ``critical`` standard errors.

    ``pairs`` is the difference itself where both arms were seen on the same units; otherwise they are independent.
    """
    gap, error = _gap(treatment, control, pairs)
    covariance = (treatment.variance + control.variance - error * error) / 2 if pairs else 0.0
    relative, low, high = relative_change(treatment, control, critical, covariance)
    return Effect(
        estimate=gap,
        low=gap - critical * error,
        high=gap + critical * error,
        p_value=p_value,
        relative=relative,
        relative_low=low,
        relative_high=high,
        treatment=treatment.value,
        control=control.value,
        alpha=alpha,
        method=method,
    )


def one_sided(found: Effect, side: int) -> Effect:
    """The effect with its lower end only (side +1), its upper end only (-1), or as it is (0)."""
    if side > 0:
        return replace(found, high=math.inf, relative_high=math.inf)
    return replace(found, low=-math.inf, relative_low=-math.inf) if side else found


def _gap(treatment: Estimate, control: Estimate, pairs: Estimate | None) -> tuple[float, float]:
    if pairs:
        return pairs.value, math.sqrt(pairs.variance)
    return treatment.value - control.value, math.sqrt(treatment.variance + control.variance)


def satterthwaite(treatment: Estimate, control: Estimate) -> float:
    """Degrees of freedom of a difference of two means with unequal variances.

    Source: F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin
    2 (1946).
    """
    below = treatment.variance**2 / (treatment.n - 1) + control.variance**2 / (control.n - 1)
    total = (treatment.variance + control.variance) ** 2
    return total / below if below > 0 else float(treatment.n + control.n - 2)


def check_alpha(alpha: float) -> None:
    """Raises SettingError where alpha is no error rate."""
    if not 0 < alpha < 1:
        raise SettingError(f"alpha is {alpha}", allowed="alpha lies between 0 and 1", advice="use 0.05")
