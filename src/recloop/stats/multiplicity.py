"""p-values of many comparisons, adjusted so that they can be held against one alpha. NaN means: not tested."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recloop.stats.moments import Values


def holm(p_values: Values) -> NDArray[np.float64]:
    """Adjusted p-values that bound the chance of any false alarm.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979).

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    return _adjust(p_values, lambda p: np.maximum.accumulate(p * np.arange(p.size, 0, -1)))


def benjamini_hochberg(p_values: Values) -> NDArray[np.float64]:
    """Adjusted p-values that bound the expected share of false alarms among the alarms.

    Source: Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    return _adjust(p_values, lambda p: np.minimum.accumulate((p * p.size / np.arange(1, p.size + 1))[::-1])[::-1])


def _adjust(p_values: Values, rule: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    given = np.asarray(p_values, dtype=np.float64).ravel()
    adjusted = np.full(given.size, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    adjusted[order] = np.minimum(rule(given[order]), 1.0)
    return adjusted
