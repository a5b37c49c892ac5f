"""Answers of users who were asked, or answer, with unequal chances, and predictions for all."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError
from recloop.stats.comoments import Comoments
from recloop.stats.estimate import Estimate
from recloop.stats.prediction_powered import PredictionPowered


def survey_sums(answers: ArrayLike, predictions: ArrayLike, chances: ArrayLike) -> Comoments:
    """The sums that ``weighted_prediction_powered`` needs, where users were asked, or answer, with unequal chances.

    Three columns per user, with z one over the chance for those who answered and 0 for the others: z y, f - z f and
    1 - z. The mean of the first is the mean answer; the means of the others are zero but for chance. Parts add up.

    Args:
        answers: (N,) NaN for who did not answer.
        predictions: (N,) for every user.
        chances: (N,) the known probability that the user's answer is there, above 0.

    Raises:
        DataError: lengths differ, or a chance is not in (0, 1].

    >>> survey_sums([1.0, np.nan], [0.8, 0.4], [0.5, 0.25]).means.tolist()
    [1.0, -0.2, 0.0]
    """
    y, f = np.asarray(answers, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    chance = np.asarray(chances, dtype=np.float64)
    if not y.shape == f.shape == chance.shape or y.ndim != 1:
        raise DataError(
            f"answers, predictions and chances have the shapes {y.shape}, {f.shape} and {chance.shape}",
            allowed="one of each per user",
        )
    if y.size and not (chance.min() > 0 and chance.max() <= 1):
        raise DataError(
            f"chances run from {chance.min():g} to {chance.max():g}", allowed="above 0 and at most 1, for every user"
        )
    answered = ~np.isnan(y)
    z = np.where(answered, 1 / chance, 0.0)
    return Comoments.of(np.column_stack([z * np.where(answered, y, 0.0), f - z * f, 1 - z]))


def weighted_prediction_powered(sums: Comoments) -> PredictionPowered:
    """The mean answer of all users, where each answers independently with a known chance of its own.

    The inverse-chance mean of the answers, less the best linear guess of its error from two columns that are known to
    be zero on average: predictions against weighted predictions, and one against the weights. Useless predictions cost
    nothing but a degree of freedom. With equal chances it agrees with ``prediction_powered`` up to terms that vanish.

    Source: C.-E. Särndal, B. Swensson, J. Wretman, "Model assisted survey sampling" (1992), the difference and
    regression estimators under Poisson sampling; Angelopoulos, Duchi & Zrnic 2023 for the tuning.

    Raises:
        DataError: too few answers.

    >>> rng = np.random.default_rng(5)
    >>> truth = rng.normal(3, 1, 5000)
    >>> chance = np.where(truth > 3, 0.1, 0.05)  # the content answer more often
    >>> answers = np.where(rng.random(5000) < chance, truth, np.nan)
    >>> found = weighted_prediction_powered(survey_sums(answers, truth + rng.normal(0, 0.5, 5000), chance))
    >>> low, high = found.interval()
    >>> round(float(np.nanmean(answers)), 1), bool(low < 3 < high), found.width < 0.7
    (3.2, True, True)
    """
    if sums.n < 2 or len(sums.means) != 3:
        raise DataError(f"sums of {sums.n} users and {len(sums.means)} columns", allowed="those of survey_sums")
    s, weight = sums.covariance, 1 - sums.means[2]
    square = s[2, 2] * (sums.n - 1) / sums.n + weight**2
    answers = sums.n * weight**2 / square if square > 0 else 0.0  # the number that counts, after weighting
    if answers < 5:
        raise DataError(f"answers weigh no more than {answers:.1f} equal ones", allowed="at least 5 are wanted")
    if not s[2, 2] > 0:
        raise DataError("everybody answered", advice="use the plain mean: stats.mean_interval")

    def adjusted(columns: list[int]) -> tuple[Estimate, NDArray[np.float64]]:
        slopes = np.asarray(np.linalg.lstsq(s[np.ix_(columns, columns)], s[columns, 0], rcond=None)[0], np.float64)
        left = max(float(s[0, 0] - slopes @ s[columns, 0]), 0.0)
        left *= answers / (answers - 1 - len(columns))  # what the fit itself took away
        value = float(sums.means[0] - slopes @ sums.means[columns])
        return Estimate(value, left / sums.n, round(answers)), slopes

    plain, _ = adjusted([2])
    found, slopes = adjusted([1, 2])
    return PredictionPowered(estimate=found, plain=plain, tuning=-float(slopes[0]), df=answers - 2)
