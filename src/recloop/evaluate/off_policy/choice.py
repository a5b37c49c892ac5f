"""Which estimator to take, by the data."""

import math
from collections.abc import Sequence

from recloop.errors import SettingError
from recloop.evaluate.off_policy.terms import Codes, Terms

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

    >>> import numpy as np
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


def error_bounds(estimates: Sequence[Terms], reference: Terms, users: Codes | None = None) -> list[float]:
    """An upper estimate of the mean squared error of each estimate, by its distance from one without bias.

    With d the distance, s its standard error (both estimates share their rounds), and e the standard error of the
    estimate: ``d^2 + s^2 + e^2``. As d^2 is bias^2 + s^2 on average, the bias is judged too large, by what is not known
    of it: what shrinks or models is taken only where the log shows that it may be.

    Args:
        estimates: to be judged.
        reference: an estimate without bias, such as ``ips`` or ``doubly_robust``.
        users: (n,) codes from 0.

    Source: P. S. Thomas, E. Brunskill, "Data-efficient off-policy policy evaluation", ICML 2016, for the distance from
    an unbiased estimate; Y. Su and others, "Doubly robust off-policy evaluation with shrinkage", ICML 2020, for an
    upper bound of the bias.

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> sure, wrong = Terms.of(rng.normal(1, 1, 400)), Terms.of(rng.normal(3, 0.1, 400))
    >>> first, second = error_bounds([sure, wrong], sure)
    >>> first < second
    True
    """
    found = []
    for terms in estimates:
        gap = terms.minus(reference)
        found.append(gap.value**2 + gap.error(users) ** 2 + terms.error(users) ** 2)
    return found
