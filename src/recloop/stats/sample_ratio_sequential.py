import math
from collections.abc import Mapping

import numpy as np
from scipy.special import gammaln

from recloop.errors import SettingError
from recloop.stats.sample_ratio import SRM, against_plan


def sequential_srm(
    counts: Mapping[str, int],
    weights: Mapping[str, float],
    alpha: float = 0.001,
    *,
    concentration: float = 1000.0,
    unit: str = "users",
) -> SRM:
    """Sample ratio mismatch by a p-value that may be looked at after every user, exact from the first one on.

    The chance of the arms as they came, averaged over splits around the plan (a Dirichlet distribution), over their
    chance under the plan, is a martingale where the plan holds: it ever exceeds 1 / alpha with chance alpha at most.
    The p-value is one over it. Chi-square (``srm``) is sharper at one look, and wrong where every look counts.

    Args:
        counts: users per arm; an arm that is not named has none.
        weights: planned weight per arm, in any unit.
        alpha: below this p-value the result is red.
        concentration: how near the plan the averaged splits lie: about as many users as a mismatch is found after.
            Small finds gross faults soon, large finds small ones in the end. Fixed before the start.
        unit: what is counted, as the sentence names it.

    Source: M. Lindon, A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.

    Raises:
        SettingError: a weight or a count is negative, all weights are zero, or the concentration is not above zero.

    >>> found = sequential_srm({"gate_30": 44700, "gate_40": 45489}, {"gate_30": 1, "gate_40": 1})
    >>> round(found.p_value, 4), found.red
    (0.3145, False)
    """
    if not (math.isfinite(concentration) and concentration > 0):
        raise SettingError(f"concentration is {concentration}", allowed="it is above 0", advice="use 1000")
    seen, expected, strangers = against_plan(counts, weights)
    if len(expected) < 2 or not sum(expected.values()):
        return SRM(math.nan, seen, expected, strangers, alpha, unit)
    n = np.array([seen[name] for name in expected], dtype=np.float64)
    shares = np.array([weights[name] for name in expected], dtype=np.float64)
    shares /= shares.sum()
    prior = concentration * shares
    averaged = gammaln(concentration) - gammaln(concentration + n.sum()) + (gammaln(prior + n) - gammaln(prior)).sum()
    log_ratio = float(averaged - n @ np.log(shares))
    return SRM(math.exp(min(-log_ratio, 0.0)), seen, expected, strangers, alpha, unit)
