"""What users who were not asked would have said, predicted so that a bad guess does no harm."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.experiments.json_values import to_json
from recloop.stats import PredictionPowered, answers_needed, survey_sums, weighted_prediction_powered
from recloop.stats.auc import auc
from recloop.stats.ridge_regression import ridge

FOLDS = 5
FEWEST = 30  # answers from which a model is trained
BINS = 5
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Users with like predictions who answered: what was predicted, and what they said."""

    predicted: float
    answered: float
    n: int


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """How satisfied all users are, from the answers of some.

    Attributes:
        users, answers: how many there are, and how many of them answered.
        estimate: the mean of all users with and without predictions.
        low, high: 95% interval with predictions; it holds whatever the predictions are.
        plain_low, plain_high: the same from the answers alone.
        correlation: of predictions and answers, each predicted by a model that had not seen it.
        auc: probability that who is satisfied was predicted above who is not; NaN where all agree.
        reliability: predictions against answers in bins of like predictions: the closer, the better calibrated.
        age: days since the median answer, NaN where times are not known.
        margin: a tenth of the spread of the answers.
        needed, needed_plain: answers for an interval of ``margin`` to either side, with and without predictions.
        trained: whether there were answers enough to train a model.
    """

    users: int
    answers: int
    estimate: PredictionPowered
    low: float
    high: float
    plain_low: float
    plain_high: float
    correlation: float
    auc: float
    reliability: tuple[Bin, ...]
    age: float
    margin: float
    needed: int
    needed_plain: int
    trained: bool

    @property
    def sentence(self) -> str:
        """The mean and what the predictions were worth."""
        saved = 1 - self.needed / self.needed_plain
        worth = "predictions add nothing, and do no harm"
        if not self.trained:
            worth = "too few to train predictions"
        elif saved > 0.005:
            worth = f"predictions save {saved:.0%} of the answers"
        return (
            f"Satisfaction {self.estimate.estimate.value:.2f} (between {self.low:.2f} and {self.high:.2f}) over "
            f"{self.users:,} users, from {self.answers:,} answers; {worth}."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN becomes None."""
        found: dict[str, Any] = {"sentence": self.sentence, **to_json(self)}
        return found


def predicted(
    answers: NDArray[np.float64], features: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(N,) the answer that each user would give, by a ridge regression that has not seen this user's.

    Users are cut into five parts at random; each part is predicted by what the answers of the others taught
    (cross-fitting: Chernozhukov et al. 2018, "Double/debiased machine learning", definition 3.1). With fewer than 30
    answers all get the mean of the other parts' answers.

    Args:
        answers: (N,) NaN for who did not answer.
        features: (N, d) of every user: what they did and saw, and how what they wrote sounds. NaN is the mean.
        rng: of the parts.

    Raises:
        DataError: fewer than two answers, or lengths differ.
    """
    if len(answers) != len(features):
        raise DataError(f"{len(answers)} users come with {len(features)} rows of features", allowed="one per user")
    known = ~np.isnan(answers)
    if known.sum() < 2:
        raise DataError(f"{int(known.sum())} answers", allowed="at least two are wanted", advice="ask more users")
    with np.errstate(invalid="ignore"):
        seen = ~np.isnan(features)
        centre = np.where(seen, features, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    filled = np.where(seen, features, centre)
    order = np.concatenate([rng.permutation(np.flatnonzero(known)), rng.permutation(np.flatnonzero(~known))])
    part = np.empty(len(answers), np.int64)
    part[order] = np.arange(len(order)) % FOLDS
    found = np.empty(len(answers))
    for k in range(FOLDS):
        learn, told = known & (part != k), part == k
        if known.sum() < FEWEST or not features.shape[1]:
            found[told] = answers[learn].mean() if learn.any() else answers[known].mean()
            continue
        low, high = answers[learn].min(), answers[learn].max()
        found[told] = np.clip(ridge(filled[learn], answers[learn][:, None])(filled[told])[:, 0], low, high)
    return found


def satisfaction(
    answers: NDArray[np.float64],
    features: NDArray[np.floating],
    chances: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    satisfied: float = 4.0,
    ages: NDArray[np.float64] | None = None,
) -> Satisfaction:
    """The mean satisfaction of all users.

    Predictions enter through ``stats.weighted_prediction_powered`` alone: the interval covers the truth as often as it
    says, however bad they are, and narrows by as much as they are good.

    Args:
        answers: (N,) NaN for who did not answer.
        features: (N, d) of every user.
        chances: (N,) that the user's answer is there: of being asked times of answering then.
        rng: of the cross-fitting.
        satisfied: answers from here on count as satisfied, for ``auc``.
        ages: (N,) seconds since the answer.

    Raises:
        DataError: too few answers, or lengths differ.

    >>> rng = np.random.default_rng(1)
    >>> liked = rng.normal(size=3000)
    >>> truth = np.clip(np.rint(3 + liked), 1, 5)
    >>> answers = np.where(rng.random(3000) < 0.1, truth, np.nan)
    >>> found = satisfaction(answers, liked[:, None], np.full(3000, 0.1), rng)
    >>> bool(found.low < truth.mean() < found.high), found.needed < 0.3 * found.needed_plain, found.auc > 0.9
    (True, True, True)
    """
    guess = predicted(answers, features, rng)
    found = weighted_prediction_powered(survey_sums(answers, guess, chances))
    known = ~np.isnan(answers)
    y, f = answers[known], guess[known]
    spread = float(y.std(ddof=1))
    varied = spread > 0 and float(f.std()) > 0
    correlation = float(np.corrcoef(y, f)[0, 1]) if varied else 0.0
    # only what predicts in the right direction is worth something
    wanted, others = (spread / 10 or 0.1, spread or 1.0), float((~known).sum())
    needed = [answers_needed(*wanted, r, others) for r in (max(correlation, 0.0), 0.0)]
    low, high = found.interval()
    plain = PredictionPowered(estimate=found.plain, plain=found.plain, tuning=0.0, df=found.df).interval()
    return Satisfaction(
        users=len(answers),
        answers=int(known.sum()),
        estimate=found,
        low=low,
        high=high,
        plain_low=plain[0],
        plain_high=plain[1],
        correlation=correlation,
        auc=auc(f[y >= satisfied], f[y < satisfied]),
        reliability=reliability(f, y),
        age=float(np.median(ages[known])) / DAY if ages is not None else float("nan"),
        margin=wanted[0],
        needed=needed[0],
        needed_plain=needed[1],
        trained=int(known.sum()) >= FEWEST and features.shape[1] > 0,
    )


def reliability(predictions: NDArray[np.float64], answers: NDArray[np.float64], bins: int = BINS) -> tuple[Bin, ...]:
    """Predictions against answers, in bins of equally many users.

    Source: A. P. Dawid, "The well-calibrated Bayesian", JASA 77 (1982); equal counts as in Nguyen & O'Connor 2015,
    "Posterior calibration and exploratory analysis for natural language processing models", section 3.2.

    >>> [(one.predicted, one.answered) for one in reliability(np.array([1.0, 2, 3, 4]), np.array([1.0, 1, 4, 4]), 2)]
    [(1.5, 1.0), (3.5, 4.0)]
    """
    order = np.argsort(predictions, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, max(1, len(order)))) if len(part)]
    return tuple(Bin(float(predictions[part].mean()), float(answers[part].mean()), len(part)) for part in parts)
