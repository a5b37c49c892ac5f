from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from recloop.errors import DataError
from recloop.stats.adjusted import Adjusted
from recloop.stats.comoments import Comoments
from recloop.stats.effect import difference, satterthwaite
from recloop.stats.estimate import Estimate
from recloop.stats.lift import Lift, difference_with_lift

CONSTANT = 1e-12  # a spread below this share of the mean is rounding: the covariate is constant
COLLINEAR = 1e-10  # of covariates scaled to one: directions below this share of the largest variance are left out


def cuped(
    treatment: Comoments, control: Comoments, alpha: float = 0.05, *, ratio: bool = False, lift: Lift = "fieller"
) -> Adjusted:
    """Difference of two means or ratios, less what covariates from before the experiment explain.

    With d the difference of the covariates' means, the adjusted difference is the plain one minus theta' d. Covariates
    that the treatment cannot have touched differ by chance only, so theta may be anything; it is the one that makes the
    estimated variance of the difference smallest::

        theta = (S_t / n_t + S_c / n_c)^-1 (s_t / n_t + s_c / n_c)

    with S the covariances of the covariates in an arm and s those with the outcome. For equal arms this is the
    regression on arm and covariates. For unequal arms, or where the treatment changes how the outcome hangs on the
    covariates, it is what Lin's regression with all interactions estimates: in large samples never worse than the plain
    difference, which the simple regression may be. In a ratio, the outcome is the linearised one, (y - R x) / mean(x).

    Each arm's value is set to the covariates' mean over both arms. That mean and theta are shared, so the values are
    correlated, and the interval of the relative change takes their joint covariance. The variance allows for the
    estimated theta: it is times (n - 2) / (n - 2 - r), with n users and r covariates that count, and grows where the
    covariates' means lie apart; with equal arms this is the variance of ordinary least squares.

    A constant covariate is left out. Of collinear ones the combination of least norm is taken (``COLLINEAR``). Missing
    values: see ``impute``.

    Args:
        treatment: columns y, with ``ratio`` then x, then the covariates, of the users of one arm.
        control: the same columns of the other arm.
        alpha: one minus the coverage.
        ratio: whether the second column is the denominator.
        lift: how the relative change is made, see ``relative_lift``.

    Source: A. Deng, Y. Xu, R. Kohavi, T. Walker, "Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data", WSDM 2013; W. Lin, "Agnostic notes on regression adjustments to experimental data",
    Annals of Applied Statistics 7 (2013).

    Raises:
        DataError: the arms' columns differ, there is no covariate, or there are too few users for the covariates.

    >>> rng = np.random.default_rng(0)
    >>> before = rng.gamma(2, 1, (2, 500))
    >>> y = before + rng.normal(0, 0.5, (2, 500)) + np.array([[0.3], [0.0]])
    >>> t, c = (Comoments.of(np.column_stack([y[arm], before[arm]])) for arm in (0, 1))
    >>> found = cuped(t, c)
    >>> f"{found.effect.estimate:.2f} rather than {found.plain.estimate:.2f}, variance {-found.variance_reduction:.0%}"
    '0.31 rather than 0.08, variance -89%'
    """
    t, c = (arm.moments(0, 1 if ratio else None).estimate() for arm in (treatment, control))
    name = "ratio, delta method" if ratio else "Welch"
    plain = difference(t, c, alpha, satterthwaite(t, c), name)
    found = adjust(treatment, control, ratio=ratio)
    effect = difference_with_lift(
        found.treatment, found.control, alpha, found.df, f"CUPED, {name}", lift, found.difference
    )
    return Adjusted.of(effect, plain, (found.difference.variance, t.variance + c.variance), found.theta)


class Adjustment(NamedTuple):
    """What ``cuped`` makes its interval of: both values, which are correlated, and their difference."""

    treatment: Estimate
    control: Estimate
    difference: Estimate
    df: float
    theta: tuple[float, ...]


def adjust(treatment: Comoments, control: Comoments, *, ratio: bool = False) -> Adjustment:
    """The adjusted values of both arms with their variances, for any interval that an estimate can have.

    All three are sums of weighted means of the columns of both arms, so that their variances follow from the
    covariances of the columns.

    Raises:
        DataError: see ``cuped``.
    """
    own = 2 if ratio else 1
    if len(treatment.means) != len(control.means):
        raise DataError(f"the arms have {len(treatment.means)} and {len(control.means)} columns", allowed="the same")
    if len(treatment.means) <= own:
        raise DataError("there is no covariate", allowed="at least one column after the outcome's")
    t, c = (arm.moments(0, 1 if ratio else None).estimate() for arm in (treatment, control))
    of_t, of_c = treatment.covariance / treatment.n, control.covariance / control.n  # of the means
    y_t, y_c = (_outcome(arm, ratio=ratio) for arm in (treatment, control))
    inverse, rank = _inverse((of_t + of_c)[own:, own:], _known(treatment, control, own))
    n = treatment.n + control.n
    if n - 2 - rank < 1:
        raise DataError(f"{n} users are too few for {rank} covariates", allowed="at least 3 more than covariates")
    theta = inverse @ (of_t @ y_t + of_c @ y_c)[own:]
    gap = (treatment.means - control.means)[own:]
    factor = (n - 2) / (n - 2 - rank) * (1 + float(gap @ inverse @ gap) / (n - 2))
    off, shift, share = np.concatenate([np.zeros(own), theta]), float(theta @ gap), treatment.n / n

    def variances(in_t: NDArray[np.float64], in_c: NDArray[np.float64]) -> tuple[float, float]:
        """What each arm adds to the variance of a sum of weighted means of both arms' columns."""
        return max(float(in_t @ of_t @ in_t), 0.0) * factor, max(float(in_c @ of_c @ in_c), 0.0) * factor

    both = variances(y_t - off, y_c - off)
    rest = 1 - share
    return Adjustment(
        Estimate(t.value - rest * shift, sum(variances(y_t - rest * off, rest * off)), t.n),
        Estimate(c.value + share * shift, sum(variances(share * off, y_c - share * off)), c.n),
        Estimate(t.value - c.value - shift, sum(both), n),
        max(satterthwaite(Estimate(0.0, both[0], t.n), Estimate(0.0, both[1], c.n)) - rank, 1.0),
        tuple(theta.tolist()),
    )


def _outcome(arm: Comoments, *, ratio: bool) -> NDArray[np.float64]:
    """Weights of the columns whose sum is a user's outcome: y, or the linearised ratio."""
    weights = np.zeros(len(arm.means))
    weights[0] = 1.0
    if ratio:
        y, x = arm.means[:2]
        weights[:2] = 1 / x, -y / x**2
    return weights


def _known(treatment: Comoments, control: Comoments, own: int) -> NDArray[np.bool_]:
    """Which covariates differ between users by more than rounding."""
    n = treatment.n + control.n
    spread = np.sqrt((np.diag(treatment.products) + np.diag(control.products))[own:] / n)
    size = np.maximum(np.abs(treatment.means), np.abs(control.means))[own:]
    return spread > CONSTANT * size


def _inverse(spread: NDArray[np.float64], known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], int]:
    """Pseudo-inverse over the known columns, after scaling them to unit variance, and its rank."""
    inverse = np.zeros_like(spread)
    if not known.any():
        return inverse, 0
    scale = np.sqrt(np.diag(spread)[known])
    values, vectors = eigh(spread[np.ix_(known, known)] / np.outer(scale, scale))
    kept = values > COLLINEAR * values[-1]
    half = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
    inverse[np.ix_(known, known)] = half @ half.T
    return inverse, int(kept.sum())
