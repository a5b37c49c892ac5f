import math
from collections.abc import Hashable, Mapping
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError, SettingError
from recloop.stats.adjusted import Adjusted
from recloop.stats.effect import difference, satterthwaite
from recloop.stats.estimate import Estimate
from recloop.stats.lift import Lift, difference_with_lift
from recloop.stats.moments import Moments


def stratified(
    treatment: Mapping[Hashable, Moments],
    control: Mapping[Hashable, Moments],
    alpha: float = 0.05,
    *,
    weights: Mapping[Hashable, float] | None = None,
    minimum: int = 10,
    lift: Lift = "fieller",
) -> Adjusted:
    """Difference of two means or ratios, compared within strata and added up by the size of the strata.

    Users fall into strata by what was known before the experiment (country, device, new or not). Each arm's value is
    the sum over strata of weight times the stratum's mean, so that an arm that got more users of a heavy stratum by
    chance does not profit. The variance is the sum of weight^2 times the variance of the stratum's mean.

    Without ``weights`` they are the strata's shares of the users of both arms: post-stratification. These shares are a
    sample too, so the spread of the strata's values over n is added, for both arms jointly: it hardly touches the
    difference, and belongs to the values and the relative change. With ``weights``, the known shares of the population,
    it is not.

    Where the split was made within strata (stratification proper) the same interval holds.

    Args:
        treatment: moments per stratum of one arm; two columns make a ratio of the weighted means.
        control: the same strata of the other arm.
        alpha: one minus the coverage.
        weights: share of the population in each stratum, in any unit; by default as seen in both arms.
        minimum: users that each stratum needs in each arm. Small cells make the weighted mean worse than the plain one.
        lift: how the relative change is made, see ``relative_lift``.

    Source: L. W. Miratrix, J. S. Sekhon, B. Yu, "Adjusting treatment effect estimates by post-stratification in
    randomized experiments", JRSS B 75 (2013).

    Raises:
        DataError: the arms' strata differ, or one has fewer users than ``minimum``.
        SettingError: ``minimum`` is below 2, or the weights do not fit the strata.

    >>> t = {"new": Moments.from_summary(50, 1.2, 1.0), "old": Moments.from_summary(70, 5.1, 1.0)}
    >>> c = {"new": Moments.from_summary(60, 1.0, 1.0), "old": Moments.from_summary(60, 5.0, 1.0)}
    >>> found = stratified(t, c)
    >>> print(f"{found.effect.estimate:.2f} rather than {found.plain.estimate:.2f}, p = {found.effect.p_value:.2f}")
    0.15 rather than 0.47, p = 0.26
    """
    names = list(control)
    _require_cells(treatment, control, minimum)
    counts = np.array([treatment[name].n + control[name].n for name in names], dtype=np.float64)
    share, drawn = (counts / counts.sum(), counts.sum()) if weights is None else (_shares(weights, names), math.inf)

    t, c = (_weighted([arm[name] for name in names], share) for arm in (treatment, control))
    inside = [float(arm.variances.sum()) for arm in (t, c)]
    # the shares are drawn along with the users; both arms are weighted by the same ones
    between = np.cov(np.stack([t.means, c.means]), aweights=share, bias=True) / drawn
    apart = float(between[0, 0] + between[1, 1] - 2 * between[0, 1])
    both = Estimate(t.value - c.value, sum(inside) + apart, int(counts.sum()))
    values = [
        Estimate(arm.value, spread + float(between[i, i]), int(sum(arm.n)))
        for i, (arm, spread) in enumerate(zip((t, c), inside, strict=True))
    ]
    terms, below = np.concatenate([t.variances, c.variances]), np.concatenate([t.n, c.n]) - 1
    df = float(terms.sum() ** 2 / (terms**2 / below).sum()) if terms.any() else float(below.sum())

    wholes = [reduce(add, arm.values()).estimate() for arm in (treatment, control)]
    name = "Welch" if control[names[0]].x_mean is None else "ratio, delta method"
    plain = difference(wholes[0], wholes[1], alpha, satterthwaite(wholes[0], wholes[1]), name)
    kind = "post-stratified" if weights is None else "stratified"
    effect = difference_with_lift(values[0], values[1], alpha, df, f"{kind}, {name}", lift, both)
    return Adjusted.of(effect, plain, (both.variance, wholes[0].variance + wholes[1].variance))


class _Arm(NamedTuple):
    """The weighted value; and per stratum what a user of it has in the mean, the variance it adds, its users."""

    value: float
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    n: NDArray[np.float64]


def _weighted(strata: list[Moments], share: NDArray[np.float64]) -> _Arm:
    n = np.array([one.n for one in strata], dtype=np.float64)
    y, var = np.array([(one.mean, one.var) for one in strata], dtype=np.float64).T
    if strata[0].x_mean is None:
        return _Arm(float(share @ y), y, share**2 * var / n, n)
    x, x_var, cov = np.array([(one.x_mean, one.x_var, one.cov) for one in strata], dtype=np.float64).T
    mean_x = float(share @ x)
    if not mean_x:
        raise DataError("the denominator of the ratio sums to zero", advice="wait for more data")
    r = float(share @ y) / mean_x
    unit = np.maximum(var + r * r * x_var - 2 * r * cov, 0.0) / mean_x**2  # of the linearised ratio (y - r x) / mean x
    return _Arm(r, (y - r * x) / mean_x, share**2 * unit / n, n)


def _require_cells(treatment: Mapping[Hashable, Moments], control: Mapping[Hashable, Moments], minimum: int) -> None:
    if minimum < 2:
        raise SettingError(f"minimum is {minimum}", allowed="at least 2 users, which a variance needs")
    if not control and not treatment:
        raise DataError("there are no strata", allowed="at least one")
    nobody = Moments()
    for name in {**treatment, **control}:
        for arm, cells in (("treatment", treatment), ("control", control)):
            users = cells.get(name, nobody).n
            if users < minimum:
                raise DataError(
                    f"stratum {name!r} has {users} users in the {arm}",
                    allowed=f"at least {minimum} in each arm",
                    advice="merge it with another stratum",
                )


def _shares(weights: Mapping[Hashable, float], names: list[Hashable]) -> NDArray[np.float64]:
    strangers = [repr(name) for name in {**weights, **dict.fromkeys(names)} if name not in weights or name not in names]
    if strangers:
        raise SettingError(
            f"the weights and the strata differ in {', '.join(strangers)}", allowed="a weight for each stratum"
        )
    found: NDArray[np.float64] = np.array([weights[name] for name in names], dtype=np.float64)
    if not np.isfinite(found).all() or (found < 0).any() or not found.sum() > 0:
        raise SettingError(f"the weights are {found.tolist()}", allowed="none is negative, and they sum to more than 0")
    return found / float(found.sum())
