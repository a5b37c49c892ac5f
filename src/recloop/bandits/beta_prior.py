"""The prior of rates, learned from all arms together."""

from functools import lru_cache

import numpy as np
from scipy import special

_GRID = 13
_ROUNDS = 4


@lru_cache(maxsize=1024)  # a pure function that a service asks the same of again and again
def learned_prior(successes: tuple[float, ...], failures: tuple[float, ...]) -> tuple[float, float]:
    """The Beta prior under which these outcomes are the most likely, with the size of the prior held back.

    The marginal likelihood is the product of ``B(a + s, b + f) / B(a, b)``; beside it stands ``(a + b) ** -5/2``,
    without which a few alike arms would make the prior infinitely sure. The greatest is found on grids of the logit of
    a / (a + b) and of ln(a + b) that close in. Source: A. Gelman et al., "Bayesian Data Analysis" (2013), section 5.3.

    Args:
        successes: of each arm.
        failures: of each arm.

    Returns:
        a and b; (1, 1) before the first outcome.

    >>> a, b = learned_prior((5, 4, 6, 5, 30), (95, 96, 94, 95, 570))
    >>> round(a / (a + b), 2)
    0.05
    """
    won, lost = np.array(successes), np.array(failures)
    tried = won + lost > 0
    won, lost = won[tried], lost[tried]
    if not len(won):
        return 1.0, 1.0
    middle, centre = special.logit((won.sum() + 1) / (won.sum() + lost.sum() + 2)), np.log(10.0)
    reach, span = 2.0, 3.5
    for _ in range(_ROUNDS):
        rate = special.expit(np.linspace(middle - reach, middle + reach, _GRID))[:, None, None]
        size = np.exp(np.clip(np.linspace(centre - span, centre + span, _GRID), np.log(0.1), np.log(1e4)))[
            None, :, None
        ]
        a, b = rate * size, (1 - rate) * size
        # uniform in the logit of the rate and (a + b)^-5/2 in (a, b) is rate (1 - rate) size^-1/2 on this grid
        fit = (special.betaln(a + won, b + lost) - special.betaln(a, b)).sum(axis=2)
        fit += (np.log(rate) + np.log1p(-rate) - 0.5 * np.log(size))[:, :, 0]
        row, column = np.unravel_index(int(fit.argmax()), fit.shape)
        middle = special.logit(rate[row, 0, 0])
        centre = np.log(size[0, column, 0])
        reach, span = 2.5 * reach / _GRID * 2, 2.5 * span / _GRID * 2
    rate, size = special.expit(middle), np.exp(centre)
    return float(rate * size), float((1 - rate) * size)
