import math

import numpy as np
import pytest

from recloop.errors import DataError
from recloop.metrics import MAE, RMSE, Ratings

from .slates import judge

# scikit-learn 1.9.1: mean_absolute_error and root_mean_squared_error of these five ratings
ACTUAL = np.array([4, 3, 5, 1, 2.5])
PREDICTED = np.array([3.5, 3, 4, 2, 4])
SKLEARN_MAE, SKLEARN_RMSE = 0.8, 0.9486832980505138


def with_ratings(predicted: np.ndarray, rows: tuple[int, ...] = (0, 0, 1, 2, 2)) -> object:
    return judge([[], [], [], []], [[], [], [], []], ratings=Ratings(np.array(rows), ACTUAL, predicted))


def test_errors_are_over_all_ratings_not_over_users() -> None:
    judged = with_ratings(PREDICTED)
    assert MAE().value(judged) == pytest.approx(SKLEARN_MAE)
    assert RMSE().value(judged) == pytest.approx(SKLEARN_RMSE)
    assert np.isnan(MAE().per_user(judged)).tolist() == [False, False, False, True]


def test_ratings_that_are_not_predicted_stay_out() -> None:
    judged = with_ratings(np.array([3.5, np.nan, 4, np.nan, np.nan]))
    assert MAE().value(judged) == pytest.approx(0.75)
    assert RMSE().value(judged) == pytest.approx(math.sqrt((0.25 + 1) / 2))
    assert math.isnan(RMSE().value(with_ratings(np.full(5, np.nan))))


def test_no_error_is_zero() -> None:
    judged = with_ratings(ACTUAL)
    assert MAE().value(judged) == 0
    assert RMSE().value(judged) == 0


@pytest.mark.parametrize("metric", [MAE(), RMSE()], ids=str)
def test_pseudo_values_carry_the_error_of_the_bootstrap(metric: MAE | RMSE) -> None:
    rng = np.random.default_rng(3)
    n = 400
    counts = rng.integers(1, 6, n)
    rows = np.repeat(np.arange(n), counts)
    bias = rng.normal(0, 0.5, n)
    actual = rng.normal(3, 1, len(rows))
    predicted = actual + bias[rows] + rng.normal(0, 0.7, len(rows))
    values = metric.per_user(judge([[]] * n, [[]] * n, ratings=Ratings(rows, actual, predicted)))
    error = np.abs(predicted - actual) ** (2 if metric == RMSE() else 1)
    total = np.bincount(rows, weights=error)
    draws = rng.integers(0, n, (2000, n))
    again = total[draws].sum(axis=1) / counts[draws].sum(axis=1)
    again = np.sqrt(again) if metric == RMSE() else again
    assert values.std(ddof=1) / math.sqrt(n) == pytest.approx(again.std(), rel=0.08)


def test_missing_ratings_are_said() -> None:
    with pytest.raises(DataError, match="no predicted ratings"):
        MAE().value(judge([[1]], [[1]]))
