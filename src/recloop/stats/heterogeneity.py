import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import chdtrc

from recloop.errors import DataError
from recloop.stats.estimate import Estimate
from recloop.stats.mixture import rho_square


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Whether independent estimates of one effect differ by more than chance.

    Args:
        q: Cochran's statistic: squared distances from the pooled effect, in units of their variances.
        df: degrees of freedom, one less than there are estimates.
        p_value: how often equal effects look so different.
        pooled: the mean of the estimates, weighted by one over their variances.
        i_squared: share of the spread of the estimates that is not chance, 0 to 1.
    """

    q: float
    df: int
    p_value: float
    pooled: Estimate
    i_squared: float


def heterogeneity(effects: Sequence[Estimate], *, planned: int | None = None, alpha: float = 0.05) -> Heterogeneity:
    """Cochran's test of whether independent effects, one per segment, are the same.

    With two effects it is the Wald test of their difference: a segment against the rest.

    Args:
        effects: of samples without a user in common.
        planned: users of all samples together that the experiment was planned for. With it, the p-value may be looked
            at any time: the vector of contrasts is held against a normal mixture whose variance ``confidence_sequence``
            would choose. Without, it is right for one look.
        alpha: only tunes that mixture.

    Source: W. G. Cochran, "The combination of estimates from different experiments", Biometrics 10 (1954); I squared:
    J. P. T. Higgins, S. G. Thompson, "Quantifying heterogeneity in a meta-analysis", Statistics in Medicine 21 (2002).
    The mixture is that of Waudby-Smith and others (see ``confidence_sequence``) with one normal per degree of freedom.

    Raises:
        DataError: there are fewer than two effects, or one has no variance.

    >>> found = heterogeneity([Estimate(0.3, 0.01, 100), Estimate(0.0, 0.01, 100), Estimate(0.0, 0.01, 100)])
    >>> round(found.q, 2), found.df, round(found.p_value, 3), round(found.pooled.value, 2)
    (6.0, 2, 0.05, 0.1)
    """
    if len(effects) < 2:
        raise DataError(f"there are {len(effects)} effects to compare", allowed="at least 2")
    if not all(one.variance > 0 for one in effects):
        raise DataError("an effect has no variance", advice="leave out segments where every user has the same value")
    weight = sum(1 / one.variance for one in effects)
    pooled = sum(one.value / one.variance for one in effects) / weight
    q = sum((one.value - pooled) ** 2 / one.variance for one in effects)
    df, n = len(effects) - 1, sum(one.n for one in effects)
    if planned is None:
        p = float(chdtrc(df, q))
    else:
        v = n * rho_square(planned, alpha)
        p = math.exp(min(0.5 * df * math.log1p(v) - 0.5 * q * v / (1 + v), 0.0))
    return Heterogeneity(q, df, p, Estimate(pooled, 1 / weight, n), max(1 - df / q, 0.0) if q > 0 else 0.0)
