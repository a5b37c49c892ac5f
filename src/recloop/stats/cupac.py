from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError, SettingError
from recloop.stats.ridge_regression import Predict, ridge

Fit = Callable[[NDArray[np.floating], NDArray[np.float64]], Predict]


def cross_fitted(
    features: ArrayLike, outcomes: ArrayLike, rng: np.random.Generator, *, folds: int = 5, fit: Fit = ridge
) -> NDArray[np.float64]:
    """Each user's outcome as foretold by a model that never saw this user: the covariate of CUPAC.

    Users are dealt at random into folds, those of both arms together. The users of a fold are foretold by a model that
    learned from the others. Nothing of a user's own outcome or arm is in the prediction, so it is known before the
    experiment as far as this user goes, and ``cuped`` with it as a covariate is valid whatever the model is worth: a
    bad model takes little off the variance, and never moves the effect. What must hold is that the features were
    fixed before the user was first exposed.

    Predictions are centred within each fold. A fold whose outcomes happen to be high is foretold by a model of lower
    ones; without centring, this echo would look like skill. A model that has learned nothing gives a constant, which
    ``cuped`` leaves out.

    Args:
        features: (n, d), from before the experiment; vectors of a language model over what the user read or bought
            serve as well as counts. Single precision is kept.
        outcomes: (n,) or (n, m), from the experiment, in the same order of users. For a ratio give numerator and
            denominator as two columns.
        rng: deals the folds.
        folds: parts that the users are dealt into; more of them learn from more users, and take longer.
        fit: a function from features (k, d) and outcomes (k, m) to a function that foretells outcomes (j, m) from
            features (j, d).

    Returns:
        (n, m) predictions.

    Source: "Improving experimental power through control using predictions as covariate (CUPAC)", DoorDash Engineering,
    8 June 2020; Y. Guo, D. Coey, M. Konutgan, W. Li, C. Schoener, M. Goldman, "Machine learning
    for variance reduction in online experiments", NeurIPS 2021.

    Raises:
        DataError: a value is NaN or infinite, or rows do not fit.
        SettingError: fewer than two folds, or more folds than users.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(1000, 3))
    >>> y = x @ [1.0, 2.0, 0.0] + rng.normal(size=1000)
    >>> print(np.corrcoef(cross_fitted(x, y, rng)[:, 0], y)[0, 1].round(2))
    0.91
    """
    x, y = np.asarray(features), np.asarray(outcomes, dtype=np.float64)
    if not np.issubdtype(x.dtype, np.floating):
        x = x.astype(np.float64)
    x, y = (column[:, None] if column.ndim == 1 else column for column in (x, y))
    if len(x) != len(y):
        raise DataError(f"features of {len(x)} users and outcomes of {len(y)}", allowed="one row of each per user")
    for name, table in (("features", x), ("outcomes", y)):
        if not np.isfinite(table).all():
            raise DataError(f"the {name} hold NaN or infinite values", advice="fill gaps with stats.impute")
    if not 2 <= folds <= len(x):
        raise SettingError(f"{folds} folds of {len(x)} users", allowed="at least 2, at most one per user")
    fold = rng.permutation(len(x)) % folds
    foretold = np.empty(y.shape)
    for k in range(folds):
        held = fold == k
        found = np.asarray(fit(x[~held], y[~held])(x[held]), dtype=np.float64).reshape(-1, y.shape[1])
        if not np.isfinite(found).all():
            raise DataError("the model foretells NaN or infinite values", advice="mend the model given as fit")
        middle = found.mean(axis=0)
        constant = np.ptp(found, axis=0) <= 1e-12 * np.abs(middle)  # what differs by rounding is constant
        foretold[held] = np.where(constant, 0.0, found - middle)
    return foretold
