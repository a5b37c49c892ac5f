from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from recloop.errors import DataError
from recloop.stats.comoments import Comoments

Predict = Callable[[NDArray[np.floating]], NDArray[np.float64]]
ROWS = 8192  # of a block turned to double precision
PENALTIES = np.logspace(-6, 3, 28)


def ridge(features: NDArray[np.floating], outcomes: NDArray[np.float64]) -> Predict:
    """Least squares with a penalty on the size of the weights, for features as many as they come.

    Features are centred and scaled to unit variance; the intercept is free. The penalty is, for each outcome, the one
    of a grid (1e-6 to 1000 times n) with the smallest generalised cross-validation. Everything comes from sums over
    blocks of rows, so that features in single precision are never copied whole.

    Args:
        features: (n, d).
        outcomes: (n, m).

    Returns:
        A function from features (k, d) to predictions (k, m).

    Source: A. E. Hoerl, R. W. Kennard, "Ridge regression", Technometrics 12 (1970); G. H. Golub, M. Heath, G. Wahba,
    "Generalized cross-validation as a method for choosing a good ridge parameter", Technometrics 21 (1979).

    Raises:
        DataError: a value is NaN or infinite, or there are no rows.

    >>> x = np.arange(20.0)[:, None]
    >>> ridge(x, 3 + 2 * x)(np.array([[30.0]])).round(1).tolist()
    [[63.0]]
    """
    n, d = features.shape
    if not n:
        raise DataError("there are no rows to learn from", allowed="at least one")
    blocks = (slice(at, at + ROWS) for at in range(0, n, ROWS))
    nothing = Comoments(0, np.zeros(0), np.zeros((0, 0)))
    joint = sum((Comoments.of(np.hstack([features[rows], outcomes[rows]])) for rows in blocks), nothing)
    covariance = joint.products / n
    scale = np.sqrt(np.diag(covariance)[:d])
    scale = np.where(scale > 1e-10 * np.maximum(np.abs(joint.means[:d]), 1e-300), scale, np.inf)  # constant: no weight
    values, vectors = eigh(covariance[:d, :d] / np.outer(scale, scale))
    values = np.maximum(values, 0.0)
    along = vectors.T @ (covariance[:d, d:] / scale[:, None])
    # shrunk (penalties, d, 1): weight of each direction; left (penalties, m): mean squared residual
    shrunk = 1 / (values + PENALTIES[:, None])
    square = np.square(along)[None]
    left = np.diag(covariance)[d:] - (square * (shrunk * (2 - values * shrunk))[:, :, None]).sum(axis=1)
    freedom = 1 - (1 + (values * shrunk).sum(axis=1)) / n
    score = np.where(freedom[:, None] > 0, left / np.maximum(freedom[:, None], 1e-12) ** 2, np.inf)
    best = np.argmin(score, axis=0)
    weights = vectors @ (along * shrunk[best].T) / scale[:, None]
    offset = joint.means[d:] - joint.means[:d] @ weights

    def predict(rows: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(rows @ weights + offset, dtype=np.float64)

    return predict
