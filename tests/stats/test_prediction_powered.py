"""Few answers and many predictions: the published formulas, an independent implementation, and coverage."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import ndtri

from recloop.errors import DataError, SettingError
from recloop.stats import Moments
from recloop.stats.comoments import Comoments
from recloop.stats.prediction_powered import (
    answers_needed,
    prediction_powered,
    prediction_powered_difference,
    prediction_powered_ratio,
)
from recloop.stats.weighted_survey import survey_sums, weighted_prediction_powered

SLACK = 3 * (0.05 * 0.95 / 1000) ** 0.5


def survey(rng, n: int, rest: int, noise: float, *, mean: float = 3.0):
    """Answers and predictions of n + rest users; the predictions are off by a constant, a factor and some noise."""
    taste = rng.normal(size=n + rest)
    y = mean + taste + rng.normal(0, 0.6, n + rest)
    return y, 2.7 + 0.8 * taste + rng.normal(0, noise, n + rest)


@pytest.fixture
def one() -> tuple[np.ndarray, np.ndarray]:
    return survey(np.random.default_rng(20240229), 80, 600, 0.5)


def halves(y, f) -> tuple[Moments, Moments]:
    return Moments.of(y[:80], x=f[:80]), Moments.of(f[80:])


# ppi_py 0.2.3 on the data of the fixture: ppi_mean_pointestimate and ppi_mean_ci(alpha=0.05), per tuning
ORACLE = {
    None: (2.906867650964493, 2.7209483893225572, 3.092786912606429),
    1.0: (2.923786108503788, 2.7333159256264343, 3.1142562913811416),
    0.0: (2.8004322243975808, 2.541776240988853, 3.0590882078063086),
}


@pytest.mark.parametrize("tuning", [None, 1.0, 0.0])
def test_against_an_independent_implementation(one, tuning) -> None:
    y, f = one
    found = prediction_powered(*halves(y, f), tuning=tuning)
    if tuning is None:  # it divides the covariance by n where the variance is divided by n - 1
        tuning = found.tuning * 79 / 80
        found = prediction_powered(*halves(y, f), tuning=tuning)
        wanted = ORACLE[None]
    else:
        wanted = ORACLE[tuning]
    assert found.estimate.value == pytest.approx(wanted[0], abs=1e-10)
    # its variances have the divisor n
    variance = tuning**2 * f[80:].var() / 600 + (y[:80] - tuning * f[:80]).var() / 80
    half = float(ndtri(0.975)) * math.sqrt(variance)
    assert (wanted[2] - wanted[1]) / 2 == pytest.approx(half, rel=1e-9)
    low, high = found.interval()
    assert (high - low) / 2 == pytest.approx(half, rel=0.03)  # ours: divisor n - 1, and Student's t


def test_the_variance_is_the_published_formula(one) -> None:
    y, f = one
    for t in (0.0, 0.4, 1.0, -2.0):
        found = prediction_powered(*halves(y, f), tuning=t)
        wanted = t**2 * f[80:].var(ddof=1) / 600 + (y[:80] - t * f[:80]).var(ddof=1) / 80
        assert found.estimate.variance == pytest.approx(wanted)
        assert found.estimate.value == pytest.approx(t * f[80:].mean() + (y[:80] - t * f[:80]).mean())
        assert found.plain.variance == pytest.approx(y[:80].var(ddof=1) / 80)


def test_the_tuning_is_the_best_one() -> None:
    y, f = survey(np.random.default_rng(1), 5000, 20_000, 0.5)
    sums = Moments.of(y[:5000], x=f[:5000]), Moments.of(f[5000:])
    best = minimize_scalar(lambda t: prediction_powered(*sums, tuning=t).estimate.variance, bounds=(0, 2)).x
    assert prediction_powered(*sums).tuning == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize(("noise", "narrower"), [(0.1, 0.65), (0.5, 0.85), (1e3, 1.05)])
def test_coverage_with_good_and_with_useless_predictions(noise, narrower) -> None:
    rng, hits, widths = np.random.default_rng(2), 0, []
    for _ in range(1000):
        y, f = survey(rng, 40, 400, noise)
        found = prediction_powered(Moments.of(y[:40], x=f[:40]), Moments.of(f[40:]))
        low, high = found.interval()
        hits += low <= 3.0 <= high
        widths.append(found.width)
    assert abs(hits / 1000 - 0.95) < SLACK
    assert np.mean(widths) < narrower


def test_predictions_that_are_all_alike_are_left_out() -> None:
    found = prediction_powered(Moments.of([1.0, 2.0, 3.0, 4.0], x=[2.0] * 4), Moments.of([2.0] * 9))
    assert found.tuning == 0
    assert found.width == 1
    assert found.estimate.value == pytest.approx(2.5)


def test_the_difference_of_two_arms_is_covered() -> None:
    rng, hits = np.random.default_rng(3), 0
    for _ in range(1000):
        arms = []
        for mean in (3.2, 3.0):
            y, f = survey(rng, 50, 300, 0.3, mean=mean)
            arms.append(prediction_powered(Moments.of(y[:50], x=f[:50]), Moments.of(f[50:])))
        effect = prediction_powered_difference(*arms)
        hits += effect.low <= 0.2 <= effect.high
    assert abs(hits / 1000 - 0.95) < SLACK
    assert effect.estimate == pytest.approx(arms[0].estimate.value - arms[1].estimate.value)
    assert effect.method == "prediction-powered"


def sessions(rng, n: int, noise: float):
    """Users answer one to five questions, the content more; the points per question are 3.2 over all answers."""
    taste, asked = rng.normal(size=n), rng.integers(1, 6, n).astype(float)
    points = asked * (3 + 0.4 * taste) + 0.1 * asked**2 + rng.normal(0, 0.5, n)
    return points, asked, asked * (0.5 * taste) + rng.normal(0, noise, n)


def test_a_ratio_is_the_mean_of_what_is_linear_in_it() -> None:
    y, x, f = sessions(np.random.default_rng(8), 900, 0.3)
    found = prediction_powered_ratio(Comoments.of(np.column_stack([y, x, f])[:100]), Moments.of(f[100:]))
    ratio = y[:100].sum() / x[:100].sum()
    u = (y[:100] - ratio * x[:100]) / x[:100].mean()
    linear = prediction_powered(Moments.of(u, x=f[:100]), Moments.of(f[100:]))
    assert found.estimate.value == pytest.approx(ratio + linear.estimate.value)
    assert found.estimate.variance == pytest.approx(linear.estimate.variance)
    assert found.plain.value == pytest.approx(ratio)
    assert found.plain.variance == pytest.approx(Moments.of(y[:100], x=x[:100]).estimate().variance)


@pytest.mark.parametrize(("noise", "narrower"), [(0.1, 0.75), (1e3, 1.05)])
def test_a_ratio_is_covered(noise, narrower) -> None:
    rng, hits, widths = np.random.default_rng(9), 0, []
    truth = (3 * 3 + 0.1 * 11) / 3  # E x = 3, E x^2 = 11
    for _ in range(1000):
        columns = np.column_stack(sessions(rng, 600, noise))
        found = prediction_powered_ratio(Comoments.of(columns[:60]), Moments.of(columns[60:, 2]))
        low, high = found.interval()
        hits += low <= truth <= high
        widths.append(found.width)
    assert abs(hits / 1000 - 0.95) < SLACK
    assert np.mean(widths) < narrower


# ---- unequal chances


def test_weighted_against_a_regression_on_rows() -> None:
    rng = np.random.default_rng(4)
    y, f = survey(rng, 500, 0, 0.5)
    chance = rng.uniform(0.1, 0.6, 500)
    there = rng.random(500) < chance
    found = weighted_prediction_powered(survey_sums(np.where(there, y, np.nan), f, chance))
    z = there / chance
    x = np.column_stack([np.ones(500), f - z * f, 1 - z])
    slopes, rest, *_ = np.linalg.lstsq(x, z * y, rcond=None)
    assert found.estimate.value == pytest.approx(slopes[0])
    assert found.tuning == pytest.approx(-slopes[1])
    count = z.sum() ** 2 / (z**2).sum()  # of equal answers
    assert found.estimate.variance == pytest.approx(rest[0] / 499 / 500 * count / (count - 3))
    assert found.df == pytest.approx(count - 2)


def test_equal_chances_agree_with_the_random_draw() -> None:
    y, f = survey(np.random.default_rng(5), 2000, 18_000, 0.5)
    there = np.arange(20_000) < 2000
    weighted = weighted_prediction_powered(survey_sums(np.where(there, y, np.nan), f, np.full(20_000, 0.1)))
    plain = prediction_powered(Moments.of(y[:2000], x=f[:2000]), Moments.of(f[2000:]))
    assert weighted.estimate.value == pytest.approx(plain.estimate.value, abs=0.1 * plain.estimate.variance**0.5)
    assert weighted.estimate.variance == pytest.approx(plain.estimate.variance, rel=0.02)
    assert weighted.plain.variance == pytest.approx(plain.plain.variance, rel=0.02)


@pytest.mark.parametrize("noise", [0.3, 1e3])
def test_weighted_coverage_where_the_content_answer_more_often(noise) -> None:
    rng, hits, naive = np.random.default_rng(6), 0, 0
    for _ in range(1000):
        y, f = survey(rng, 1500, 0, noise)
        chance = np.where(y > 3.5, 0.16, 0.06)
        answers = np.where(rng.random(1500) < chance, y, np.nan)
        low, high = weighted_prediction_powered(survey_sums(answers, f, chance)).interval()
        hits += low <= 3.0 <= high
        known = answers[~np.isnan(answers)]
        naive += abs(known.mean() - 3.0) < 1.96 * known.std() / known.size**0.5
    assert hits / 1000 > 0.95 - SLACK
    assert hits / 1000 < 0.97
    assert naive / 1000 < 0.5


def test_sums_of_parts_are_the_sums_of_all() -> None:
    rng = np.random.default_rng(7)
    y, f = survey(rng, 200, 0, 0.5)
    y[rng.random(200) < 0.5] = np.nan
    chance = np.full(200, 0.5)
    parts = survey_sums(y[:70], f[:70], chance[:70]) + survey_sums(y[70:], f[70:], chance[70:])
    np.testing.assert_allclose(parts.products, survey_sums(y, f, chance).products)


# ---- planning, and what is not allowed


@pytest.mark.parametrize("predictions", [200.0, 5000.0, math.inf])
def test_the_answers_that_are_needed_make_the_interval_wanted(predictions: float) -> None:
    n = answers_needed(0.1, 1.3, 0.8, predictions)
    share = 1.0 if math.isinf(predictions) else predictions / (predictions + n)
    half = 1.959964 * 1.3 * math.sqrt((1 - 0.64 * share) / n)
    assert half <= 0.1 + 1e-6
    assert half > 0.1 * (1 - 1 / n)
    assert answers_needed(0.1, 1.3) == math.ceil((1.959964 * 13) ** 2)
    assert n < answers_needed(0.1, 1.3)


def test_errors() -> None:
    y = Moments.of([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(DataError, match="answers come with predictions"):
        prediction_powered(y, y)
    with pytest.raises(DataError, match="3 answers and 4 predictions are too few"):
        prediction_powered(Moments.of([1.0, 2.0, 3.0], x=[1.0, 2.0, 3.0]), y)
    with pytest.raises(DataError, match=r"chances run from 0 to 0\.5"):
        survey_sums([1.0, 2.0], [1.0, 2.0], [0.0, 0.5])
    with pytest.raises(DataError, match=r"the shapes \(2,\), \(1,\) and \(2,\)"):
        survey_sums([1.0, 2.0], [1.0], [0.5, 0.5])
    with pytest.raises(DataError, match=r"answers weigh no more than 2.0 equal ones"):
        weighted_prediction_powered(survey_sums([1.0, 2.0, np.nan], [1.0] * 3, [0.5] * 3))
    with pytest.raises(DataError, match="everybody answered"):
        weighted_prediction_powered(survey_sums(np.arange(9.0), np.arange(9.0), np.ones(9)))
    with pytest.raises(DataError, match="those of survey_sums"):
        weighted_prediction_powered(Comoments.of(np.zeros((4, 2))))
    with pytest.raises(DataError, match="2 columns are given"):
        prediction_powered_ratio(Comoments.of(np.zeros((9, 2))), y)
    with pytest.raises(DataError, match="the denominator of the ratio sums to zero"):
        prediction_powered_ratio(Comoments.of(np.zeros((9, 3))), y)
    with pytest.raises(SettingError, match="half_width 0"):
        answers_needed(0, 1.0)
