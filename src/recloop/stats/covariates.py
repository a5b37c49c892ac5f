import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError


def impute(covariates: ArrayLike, fill: ArrayLike | None = None) -> NDArray[np.float64]:
    """Covariates with their gaps filled, and beside each a column that says where the gaps were.

    Who is new has no history: the value of such users is missing, not zero, and leaving them out would answer for other
    users. Filled with any constant, with the indicator as one more covariate, they all stay. The constant does not
    matter to ``cuped``, as the indicator takes up the rest; the mean keeps the figures small. Fill both arms alike:
    call this once over the users of both, or once per part with the same ``fill``.

    Args:
        covariates: (n, d) or (n,), NaN where a value is missing.
        fill: (d,) what stands for a missing value; by default the mean of the values that are there.

    Returns:
        (n, 2 d): the d columns filled, then their d indicators. An indicator without any gap is constant, and ``cuped``
        leaves it out; so is a column of which every value is missing.

    Raises:
        DataError: a value is infinite, or ``fill`` does not fit the columns.

    >>> impute([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0]]).tolist()
    [[1.0, 5.0, 0.0, 0.0], [2.0, 6.0, 1.0, 0.0], [3.0, 7.0, 0.0, 0.0]]
    """
    columns = np.array(covariates, dtype=np.float64)
    if columns.ndim == 1:
        columns = columns[:, None]
    if np.isinf(columns).any():
        bad = int(np.isinf(columns).sum())
        raise DataError(f"{bad} of {columns.size} covariate values are infinite", advice="make them NaN: missing")
    missing = np.isnan(columns)
    if fill is None:
        known = (~missing).sum(axis=0)
        constants = np.where(missing, 0.0, columns).sum(axis=0) / np.maximum(known, 1)
    else:
        constants = np.atleast_1d(np.asarray(fill, dtype=np.float64))
        if constants.shape != (columns.shape[1],) or not np.isfinite(constants).all():
            raise DataError(f"fill has {constants.size} values", allowed=f"{columns.shape[1]} finite ones")
    return np.hstack([np.where(missing, constants, columns), missing])
