"""One mean, or one ratio, held against zero: what a preference of users is."""

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from recloop.errors import SettingError
from recloop.stats.effect import check_alpha
from recloop.stats.moments import Moments
from recloop.stats.sequences import boundary, height, spent


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSample:
    """A mean or ratio of n users with its interval; the p-value is that of zero."""

    estimate: float
    low: float
    high: float
    p_value: float
    n: int
    alpha: float
    method: str


def one_sample(moments: Moments, alpha: float = 0.05) -> OneSample:
    """The mean, or the ratio of two columns, of users against zero: Student's t, for one look at a planned size.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908); for a ratio by the delta method, A. Deng,
    U. Knoblich, J. Lu, KDD 2018.

    Raises:
        DataError: fewer than two users, or a denominator that sums to zero.
        SettingError: ``alpha`` is out of range.

    >>> e = one_sample(Moments.of([1.0, 2.0, 3.0, -1.0]))
    >>> e.estimate, round(e.low, 3), round(e.high, 3), round(e.p_value, 4)
    (1.25, -1.468, 3.968, 0.2394)
    """
    check_alpha(alpha)
    found = moments.estimate()
    error, df = math.sqrt(found.variance), found.n - 1
    p = 2 * float(stdtr(df, -abs(found.value) / error)) if error > 0 else float(found.value == 0)
    return _around(moments, float(stdtrit(df, 1 - alpha / 2)), p, alpha, "Student's t")


def always_valid_one_sample(moments: Moments, alpha: float = 0.05, *, planned: int) -> OneSample:
    """The same with an interval that holds at every look at once.

    The sequence of ``always_valid`` for one sample: after n users the interval is the estimate plus or minus
    ``s * boundary(n / planned, alpha)``, with s its standard error; its sources are given there. At the planned size it
    is 1.31 times as wide as that of a single look (alpha 0.05).

    Raises:
        DataError: fewer than two users, or a denominator that sums to zero.
        SettingError: ``planned`` or ``alpha`` is out of range.

    >>> e = always_valid_one_sample(Moments.from_summary(1000, 0.10, 1.0), planned=1000)
    >>> round(e.low, 4), round(e.high, 4), round(e.p_value, 4)
    (0.0188, 0.1812, 0.0094)
    """
    check_alpha(alpha)
    if planned < 2:
        raise SettingError(
            f"planned is {planned}", allowed="at least 2 users", advice="see recloop.stats.one_sample_size"
        )
    found = moments.estimate()
    share, p = found.n / planned, float(found.value == 0)
    if found.variance > 0:
        p = min(2 * spent(height(abs(found.value) / math.sqrt(found.variance), share)), 1.0)
    return _around(moments, boundary(share, alpha), p, alpha, "always valid")


def _around(moments: Moments, critical: float, p_value: float, alpha: float, method: str) -> OneSample:
    found = moments.estimate()
    half = critical * math.sqrt(found.variance)
    return OneSample(
        estimate=found.value,
        low=found.value - half,
        high=found.value + half,
        p_value=p_value,
        n=found.n,
        alpha=alpha,
        method=method,
    )
