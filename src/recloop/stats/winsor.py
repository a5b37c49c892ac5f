from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError, SettingError
from recloop.stats.effect import Effect
from recloop.stats.means import welch
from recloop.stats.moments import Moments, Values
from recloop.stats.ratios import ratio

Among = Literal["all", "not zero"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Winsorised:
    """An effect on capped values, with the effect on the values as they are beside it.

    ``treatment_capped`` and ``control_capped`` count the users whose value was cut. Where both effects disagree, a few
    users carry the result.
    """

    effect: Effect
    uncapped: Effect
    cap: float
    treatment_capped: int
    control_capped: int


def cap(treatment: Values, control: Values, q: float = 0.99, *, among: Among = "not zero") -> float:
    """The value that values are cut at: the q quantile of the users of both arms together.

    One cap for both arms: each arm's own would cut off more where the treatment made large values larger, and hide what
    it did. ``among`` says whose quantile it is. With "not zero" users without any value (who bought nothing) do not
    count; with "all" they do, and the cap of a metric that few users have may come out as zero, which is refused.

    Raises:
        DataError: there are no such values, or the cap is zero among "all".
        SettingError: q does not lie between 0 and 1, or ``among`` is neither.

    >>> cap([0, 0, 1, 2], [0, 3, 4, 100], q=0.8)
    4.0
    """
    if not 0 < q < 1:
        raise SettingError(f"q is {q}", allowed="it lies between 0 and 1", advice="0.99 cuts the highest percent")
    if among not in {"all", "not zero"}:
        raise SettingError(f"among is {among!r}", allowed="'all' or 'not zero'")
    both = np.concatenate([np.asarray(arm, dtype=np.float64).ravel() for arm in (treatment, control)])
    if not np.isfinite(both).all():
        raise DataError(f"{int((~np.isfinite(both)).sum())} of {both.size} values are NaN or infinite")
    counted = both[both != 0] if among == "not zero" else both
    if not counted.size:
        raise DataError("no user of either arm has a value that is not zero", advice="there is nothing to cap")
    found = float(np.quantile(counted, q, method="inverted_cdf"))  # a value that somebody has
    if among == "all" and found == 0 and both.any():
        raise DataError(f"the {q:.4g} quantile of all users is 0", advice="take a higher q, or among='not zero'")
    return found


def winsorised(
    treatment: Values | tuple[Values, Values],
    control: Values | tuple[Values, Values],
    alpha: float = 0.05,
    *,
    q: float = 0.99,
    among: Among = "not zero",
) -> Winsorised:
    """Difference of two means or ratios with large values cut at one cap for both arms.

    A few users with huge values make the interval of a mean wide, and the mean itself a matter of luck. Cutting them
    gives up on knowing the true mean: what is compared is the mean of values up to the cap. All users stay, in the
    numerator and in the denominator; denominators are not cut. Values below the cap, negative ones too, stay as they
    are.

    Args:
        treatment: a value per user; for a ratio, numerators and denominators.
        control: the same of the other arm.
        alpha: one minus the coverage.
        q: which quantile the cap is.
        among: of whom, see ``cap``.

    Source: W. J. Dixon, "Simplified estimation from censored normal samples", Annals of Mathematical Statistics 31
    (1960), for a mean with its extremes cut; the pooled cap is as described here.

    Raises:
        DataError, SettingError: see ``cap``, ``welch`` and ``ratio``.

    >>> found = winsorised([0.0, 3.0, 4.0, 900.0], [0.0, 2.0, 5.0, 3.0], q=0.8)
    >>> found.cap, found.effect.estimate, found.uncapped.estimate, found.treatment_capped
    (5.0, 0.5, 224.25, 1)
    """
    arms = [_columns(arm) for arm in (treatment, control)]
    limit = cap(arms[0][0], arms[1][0], q, among=among)
    over = [int((y > limit).sum()) for y, _ in arms]
    return Winsorised(
        effect=_compare([Moments.of(np.minimum(y, limit), x) for y, x in arms], alpha),
        uncapped=_compare([Moments.of(y, x) for y, x in arms], alpha),
        cap=limit,
        treatment_capped=over[0],
        control_capped=over[1],
    )


def _columns(arm: Values | tuple[Values, Values]) -> tuple[NDArray[np.float64], Values | None]:
    y, x = arm if isinstance(arm, tuple) else (arm, None)
    return np.asarray(y, dtype=np.float64).ravel(), x


def _compare(arms: list[Moments], alpha: float) -> Effect:
    treatment, control = arms
    compare = welch if treatment.x_mean is None else ratio
    return compare(treatment, control, alpha)
