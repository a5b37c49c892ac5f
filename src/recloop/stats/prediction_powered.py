"""A few answers and many predictions of them: an interval that is valid if the predictions are bad, narrow if good."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from recloop.errors import DataError, SettingError
from recloop.stats.comoments import Comoments
from recloop.stats.effect import Effect, check_alpha, difference
from recloop.stats.estimate import Estimate
from recloop.stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPowered:
    """The mean answer of all users, from the answers of some and predictions for all.

    Args:
        estimate: value and variance; its n counts the answers.
        plain: the same from the answers alone.
        tuning: how far the predictions were trusted: 0 not at all, 1 as they are.
        df: degrees of freedom of the variance.
    """

    estimate: Estimate
    plain: Estimate
    tuning: float
    df: float

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Ends of Student's interval."""
        check_alpha(alpha)
        half = float(stdtrit(self.df, 1 - alpha / 2)) * math.sqrt(self.estimate.variance)
        return self.estimate.value - half, self.estimate.value + half

    @property
    def width(self) -> float:
        """Standard error as a fraction of that from the answers alone: 0.7 is an interval narrower by 30%."""
        return math.sqrt(self.estimate.variance / self.plain.variance) if self.plain.variance else 1.0


def prediction_powered(answered: Moments, others: Moments, tuning: float | None = None) -> PredictionPowered:
    """The mean answer, where those who answered are a random draw of the users.

    With y the answers, f the predictions and a tuning t: ``t * mean(f of the others) + mean(y - t f of the answered)``.
    The second part mends what is wrong with the predictions, so the value is right whatever the predictions are, as
    long as they were made without these answers: by a model trained on other users, or cross-fitted.

    Args:
        answered: moments of the answers y, with the predictions f for the same users as the second column.
        others: moments of the predictions for the users who did not answer.
        tuning: None finds the one with the smallest variance, ``cov(y, f) / ((1 + n / N) var(f))``; 1 is plain
            prediction-powered inference; 0 leaves the predictions out.

    Source: A. N. Angelopoulos, S. Bates, C. Fannjiang, M. I. Jordan, T. Zrnic, "Prediction-powered inference", Science
    382 (2023); power tuning: A. N. Angelopoulos, J. C. Duchi, T. Zrnic, "PPI++: efficient prediction-powered
    inference" (2023).

    Raises:
        DataError: fewer than four answers, fewer than two predictions for others, or columns that do not fit.

    >>> answered = Moments.of([4.0, 2.0, 5.0, 1.0, 3.0], x=[3.8, 2.5, 4.6, 1.5, 2.6])
    >>> found = prediction_powered(answered, Moments.of([3.5, 2.5, 4.0, 1.5, 3.0, 2.9, 4.1, 2.2]))
    >>> round(found.estimate.value, 3), round(found.tuning, 3), round(found.width, 2)
    (2.955, 1.208, 0.58)
    """
    if answered.x_mean is None or others.x_mean is not None:
        raise DataError(
            "answers come with predictions, and other users with predictions only",
            advice="use Moments.of(answers, x=predictions) and Moments.of(predictions)",
        )
    n, rest = answered.n, others.n
    if n < 4 or rest < 2:
        raise DataError(f"{n} answers and {rest} predictions are too few", allowed="at least 4 and 2 are wanted")
    everyone = Moments(n, answered.x_mean, answered.x_m2) + others
    best = answered.cov / ((1 + n / rest) * everyone.var) if everyone.m2 > 0 else 0.0
    t = best if tuning is None else tuning
    mended = max(answered.var - 2 * t * answered.cov + t * t * answered.x_var, 0.0) / n
    guessed = t * t * others.var / rest
    value = t * others.mean + answered.mean - t * answered.x_mean
    return PredictionPowered(
        estimate=Estimate(value, mended + guessed, n),
        plain=Estimate(answered.mean, answered.var / n, n),
        tuning=t,
        df=_df((mended, n - 1 - (tuning is None)), (guessed, rest - 1)),
    )


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


def prediction_powered_difference(
    treatment: PredictionPowered, control: PredictionPowered, alpha: float = 0.05
) -> Effect:
    """The mean answer under one arm minus that under the other, each with its own tuning.

    >>> answered = Moments.of([4.0, 2.0, 5.0, 1.0, 3.0], x=[3.8, 2.5, 4.6, 1.5, 2.6])
    >>> arm = prediction_powered(answered, Moments.of([3.5, 2.5, 4.0, 1.5, 3.0, 2.9, 4.1, 2.2]))
    >>> e = prediction_powered_difference(arm, arm)
    >>> e.estimate, round(e.high, 2)
    (0.0, 1.22)
    """
    df = _df((treatment.estimate.variance, treatment.df), (control.estimate.variance, control.df))
    return difference(treatment.estimate, control.estimate, alpha, df, "prediction-powered")


def answers_needed(
    half_width: float, deviation: float, correlation: float = 0.0, predictions: float = math.inf, alpha: float = 0.05
) -> int:
    """Answers that make the interval of the mean answer ``half_width`` wide on either side.

    Without predictions (a correlation of 0): ``(z deviation / half_width)^2``. With them, n answers and N predictions
    for others have the variance ``deviation^2 / n * (1 - correlation^2 N / (N + n))``. For the difference of two arms
    of equal size, give ``half_width / sqrt(2)`` and read the answer per arm.

    Args:
        half_width: what is wanted.
        deviation: standard deviation of the answers.
        correlation: of answers and predictions.
        predictions: users with a prediction but no answer.
        alpha: error rate of the interval.

    Source: Angelopoulos, Duchi & Zrnic 2023, the variance under the best tuning, solved for n.

    Raises:
        SettingError: a number is out of range.

    >>> answers_needed(0.1, 1.2), answers_needed(0.1, 1.2, correlation=0.7, predictions=10_000)
    (554, 290)
    """
    check_alpha(alpha)
    if not (half_width > 0 and deviation > 0 and -1 <= correlation <= 1 and predictions >= 0):
        raise SettingError(
            f"half_width {half_width}, deviation {deviation}, correlation {correlation}, predictions {predictions}",
            allowed="widths above 0, a correlation between -1 and 1, and no negative number of predictions",
        )
    wanted, square = (half_width / float(ndtri(1 - alpha / 2))) ** 2, deviation**2
    unexplained = 1 - correlation**2
    if math.isinf(predictions):
        n = square * unexplained / wanted
    else:
        b = wanted * predictions - square
        n = (-b + math.sqrt(b * b + 4 * wanted * square * predictions * unexplained)) / (2 * wanted)
    return max(math.ceil(n - 1e-9), 4)


def _df(*parts: tuple[float, float]) -> float:
    """Satterthwaite's degrees of freedom of a sum of independent variances."""
    below = sum(variance**2 / df for variance, df in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below > 0 else sum(df for _, df in parts)
