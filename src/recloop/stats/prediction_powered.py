"""A few answers and many predictions of them: an interval that is valid if the predictions are bad, narrow if good."""

import math
from dataclasses import dataclass, replace

import numpy as np
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
    (2.955, 1.208, 0.59)
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
    fitted = tuning is None and everyone.m2 > 0
    t = answered.cov / ((1 + n / rest) * everyone.var) if fitted else tuning or 0.0
    df = n - 1 - fitted  # a tuning that was fitted took a degree of freedom
    mended = max(answered.var - 2 * t * answered.cov + t * t * answered.x_var, 0.0) / n * (n - 1) / df
    guessed = t * t * others.var / rest
    value = t * others.mean + answered.mean - t * answered.x_mean
    return PredictionPowered(
        estimate=Estimate(value, mended + guessed, n),
        plain=Estimate(answered.mean, answered.var / n, n),
        tuning=t,
        df=_df((mended, df), (guessed, rest - 1)),
    )


def prediction_powered_ratio(answered: Comoments, others: Moments) -> PredictionPowered:
    """A ratio of sums, such as points over questions answered, where users answer different numbers of questions.

    The delta method turns the ratio R into the mean of ``(y - R x) / mean(x)``, which the predictions then sharpen.

    Args:
        answered: comoments of the columns y, x and f of who answered: numerator, denominator and any prediction
            of what a user adds to the ratio.
        others: moments of f for the users who did not answer.

    Raises:
        DataError: not three columns, too few users, or a denominator that sums to zero.

    >>> rng = np.random.default_rng(3)
    >>> asked, taste = rng.integers(1, 6, 4000), rng.normal(3, 1, 4000)
    >>> points = asked * taste + rng.normal(0, 0.5, 4000)
    >>> f = asked * (0.9 * taste - 2.7)
    >>> found = prediction_powered_ratio(
    ...     Comoments.of(np.column_stack([points, asked, f])[:200]), Moments.of(f[200:])
    ... )
    >>> low, high = found.interval()
    >>> bool(low < 3 < high), found.width < 0.4
    (True, True)
    """
    if len(answered.means) != 3:
        raise DataError(f"{len(answered.means)} columns are given", allowed="numerator, denominator and prediction")
    top, below, guess = answered.means.tolist()
    if not below:
        raise DataError("the denominator of the ratio sums to zero", advice="wait for more data")
    ratio = top / below
    w = np.array([1.0, -ratio, 0.0]) / below
    rest = w @ answered.products
    linear = Moments(answered.n, 0.0, float(rest @ w), guess, float(answered.products[2, 2]), float(rest[2]))
    found = prediction_powered(linear, others)
    return replace(
        found,
        estimate=replace(found.estimate, value=ratio + found.estimate.value),
        plain=replace(found.plain, value=ratio),
    )


def prediction_powered_difference(
    treatment: PredictionPowered, control: PredictionPowered, alpha: float = 0.05
) -> Effect:
    """The mean answer under one arm minus that under the other, each with its own tuning.

    >>> answered = Moments.of([4.0, 2.0, 5.0, 1.0, 3.0], x=[3.8, 2.5, 4.6, 1.5, 2.6])
    >>> arm = prediction_powered(answered, Moments.of([3.5, 2.5, 4.0, 1.5, 3.0, 2.9, 4.1, 2.2]))
    >>> e = prediction_powered_difference(arm, arm)
    >>> e.estimate, round(e.high, 2)
    (0.0, 1.24)
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
