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
    own = 2 if ratio else 1
    if len(treatment.means) != len(control.means):
        raise DataError(f"the arms have {len(treatment.means)} and {len(control.means)} columns", allowed="the same")
    if len(treatment.means) <= own:
        raise DataError("there is no covariate", allowed="at least one column after the outcome's")
    moments = [arm.moments(0, 1 if ratio else None) for arm in (treatment, control)]
    t, c = (one.estimate() for one in moments)
    name = "ratio, delta method" if ratio else "Welch"
    plain = difference(t, c, alpha, satterthwaite(t, c), name)

    parts = [arm.covariance / arm.n for arm in (treatment, control)]
    outcomes = [_outcome(arm, ratio=ratio) for arm in (treatment, control)]
    gap = (treatment.means - control.means)[own:]
    inverse, rank = _inverse((parts[0] + parts[1])[own:, own:], _known(treatment, control, own))
    theta = inverse @ (parts[0] @ outcomes[0] + parts[1] @ outcomes[1])[own:]
    n = treatment.n + control.n
    if n - 2 - rank < 1:
        raise DataError(f"{n} users are too few for {rank} covariates", allowed="at least 3 more than covariates")
    factor = (n - 2) / (n - 2 - rank) * (1 + float(gap @ inverse @ gap) / (n - 2))

    full = np.concatenate([np.zeros(own), theta])
    share = treatment.n / n

    def variance(of_treatment: NDArray[np.float64], of_control: NDArray[np.float64]) -> tuple[float, float]:
        """Variances that both arms add to a sum of weighted means of their columns."""
        weights = zip(parts, (of_treatment, of_control), strict=True)
        t, c = (max(float(w @ part @ w), 0.0) * factor for part, w in weights)
        return t, c

    both = variance(outcomes[0] - full, outcomes[1] - full)
    shift = float(theta @ gap)
    adjusted_t = Estimate(
        t.value - (1 - share) * shift, sum(variance(outcomes[0] - (1 - share) * full, (1 - share) * full)), t.n
    )
    adjusted_c = Estimate(c.value + share * shift, sum(variance(share * full, outcomes[1] - share * full)), c.n)
    pairs = Estimate(t.value - c.value - shift, sum(both), n)
    df = max(satterthwaite(Estimate(0.0, both[0], t.n), Estimate(0.0, both[1], c.n)) - rank, 1.0)
    effect = difference_with_lift(adjusted_t, adjusted_c, alpha, df, f"CUPED, {name}", lift, pairs)
    return Adjusted.of(effect, plain, (sum(both), t.variance + c.variance), tuple(theta.tolist()))


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
