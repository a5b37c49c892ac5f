import numpy as np

from recloop.errors import DataError
from recloop.stats.adaptive.log import AdaptiveLog, Array
from recloop.stats.adaptive.outcome_models import running_means


def aipw(log: AdaptiveLog, predictions: Array | None = None) -> Array:
    """(..., T, K): the augmented inverse-propensity-weighted score of every arm in every round.

    With ``m`` the prediction from the rounds before and ``e`` the recorded propensity, the score is ``m``, plus
    ``(reward - m) / e`` where the arm was pulled. Given the past, its mean is the value of the arm, however the
    propensities came about, and however bad the predictions are; good ones make it less noisy.

    Args:
        log: the rounds.
        predictions: (..., T, K) made from the rounds before only; the running means of the arms by default.

    Source: J. M. Robins, A. Rotnitzky, L. P. Zhao, "Estimation of regression coefficients when some regressors are not
    always observed", JASA 89 (1994); for adaptive data V. Hadad and others, PNAS 118 (2021).

    Raises:
        DataError: predictions do not have the shape of the propensities.

    >>> log = AdaptiveLog.of([0, 1], [1.0, 3.0], [[0.5, 0.5], [0.75, 0.25]])
    >>> aipw(log).tolist()
    [[2.0, 0.0], [1.0, 9.0]]
    """
    m = running_means(log) if predictions is None else np.asarray(predictions, dtype=np.float64)
    if m.shape != log.propensities.shape:
        raise DataError(
            f"predictions have the shape {m.shape}",
            allowed=f"one per round and arm is wanted: {log.propensities.shape}",
        )
    scores: Array = m + np.where(log.pulled, (log.rewards[..., None] - m) / log.propensities, 0.0)
    return scores
