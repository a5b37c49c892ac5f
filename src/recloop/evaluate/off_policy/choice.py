"""Which estimator to take, by the data."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from recloop.errors import SettingError
from recloop.evaluate.off_policy.terms import Array, Codes, Terms

REACH = math.sqrt(6) - 1


def slope(estimates: Sequence[Terms], users: Codes | None = None, z: float = 2.0) -> int:
    """The place of the one to take of estimates that go from little bias and much noise to much bias and little noise.

    The furthest one that still agrees with all before it: ``|v_i - v_j| <= z s_i + (sqrt(6) - 1) z s_j``. Nobody need
    know the bias: it shows where it exceeds the noise.

    Args:
        estimates: such as weights clipped at falling ceilings, or descriptions that grow coarser.
        users: (n,) codes from 0.
        z: standard errors that count as noise.

    Source: Y. Su, P. Srinath, A. Krishnamurthy, "Adaptive estimator selection for off-policy evaluation", ICML 2020;
    in this form without monotone noise: G. Tucker, J. Lee, "Improved estimator selection for off-policy evaluation"
    (2021).

    Raises:
        SettingError: there is no estimate.

    >>> rng = np.random.default_rng(1)
    >>> noisy, calm, biased = rng.normal(1, 9, 400), rng.normal(1, 1, 400), rng.normal(5, 1, 400)
    >>> slope([Terms.of(column) for column in (noisy, calm, biased)])
    1
    """
    if not estimates:
        raise SettingError("there is no estimate to choose from", advice="give one at least")
    values = [found.value for found in estimates]
    errors = [found.error(users) for found in estimates]
    for i in range(1, len(values)):
        if any(abs(values[i] - values[j]) > z * (errors[i] + REACH * errors[j]) for j in range(i)):
            return i - 1
    return len(values) - 1


def mean_squared_errors(
    estimates: Mapping[str, Terms],
    reference: str,
    users: Codes | None = None,
    *,
    rng: np.random.Generator,
    folds: int = 20,
) -> dict[str, float]:
    """An upper bound, cross-validated, of the mean squared error of each estimate: squared bias plus variance.

    The bias of an estimate is its distance from a reference without bias, measured on half of the users by the estimate
    and on the other half by the reference, over ``folds`` halvings, so that noise that both share does not hide it.
    The square of that distance is inflated by noise, more for noisier estimates: it is a bound, and an even-handed one.

    Args:
        estimates: by name.
        reference: the one that has no bias, ``ips`` or ``doubly robust``.
        users: (n,) codes from 0.
        rng: halves.
        folds: halvings.

    Source: P. S. Thomas, E. Brunskill, "Data-efficient off-policy policy evaluation", ICML 2016, bias from the distance
    to an unbiased estimate; M. Cief, B. Kveton, M. Kompan, "Cross-validated off-policy evaluation" (2024), for halves.

    Raises:
        SettingError: the reference is not among the estimates.

    >>> rng = np.random.default_rng(1)
    >>> terms = {"sure": Terms.of(rng.normal(1, 1, 400)), "wrong": Terms.of(rng.normal(3, 0.1, 400))}
    >>> found = mean_squared_errors(terms, "sure", rng=rng)
    >>> found["sure"] < found["wrong"]
    True
    """
    if reference not in estimates:
        raise SettingError(f"the reference '{reference}' is not among the estimates", advice="name one of them")
    n = estimates[reference].n
    groups = np.arange(n) if users is None else users
    sides = rng.random((folds, int(groups.max()) + 1)) < 0.5
    found = {}
    for name, terms in estimates.items():
        gaps = []
        for side in sides:
            rows = side[groups]
            if rows.any() and not rows.all():
                gaps.append(_value(terms, rows) - _value(estimates[reference], ~rows))
        bias = float(np.nanmean(np.square(gaps)))
        found[name] = bias + terms.error(users) ** 2
    return found


def _value(terms: Terms, rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    under: Array = terms.under[:, rows].mean(axis=1)
    return float((terms.over[:, rows].mean(axis=1) / under).sum()) if (under != 0).all() else math.nan
