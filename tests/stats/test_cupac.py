"""CUPAC holds whatever the model is worth; ridge regression against the normal equations."""

import numpy as np
import pytest

from recloop.errors import DataError, SettingError
from recloop.stats import Adjusted, Comoments, cross_fitted, cuped, ridge

SLACK = 3 * (0.05 * 0.95) ** 0.5


def test_ridge_against_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (400, 5)) * [1, 10, 0.1, 1, 1]
    y = np.column_stack([x @ [1, 0.2, 5, 0, 0] + rng.normal(size=400), rng.normal(size=400)])
    found = ridge(x, y)(x)
    scaled = np.column_stack([np.ones(400), (x - x.mean(0)) / x.std(0)])
    free = np.diag([0.0, 1, 1, 1, 1, 1])
    for column in range(2):
        best = min(
            (
                (400 * np.square(y[:, column] - hat @ y[:, column]).sum() / (400 - np.trace(hat)) ** 2, penalty, hat)
                for penalty in np.logspace(-6, 3, 28)
                for hat in [scaled @ np.linalg.solve(scaled.T @ scaled + 400 * penalty * free, scaled.T)]
            ),
            key=lambda one: one[0],
        )
        assert found[:, column] == pytest.approx(best[2] @ y[:, column], rel=1e-8, abs=1e-8)


def test_ridge_with_more_features_than_rows_and_constant_features() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 200)).astype(np.float32)
    x[:, 0] = 4
    y = x[:, 1:2] + 0.0
    predict = ridge(x, y)
    assert np.isfinite(predict(x)).all()
    assert np.corrcoef(predict(x)[:, 0], y[:, 0])[0, 1] > 0.9
    assert ridge(x[:, :1], y)(x[:, :1]) == pytest.approx(np.full((60, 1), y.mean()), rel=1e-6)


def test_nobody_is_foretold_by_a_model_that_saw_them() -> None:
    rng = np.random.default_rng(2)
    names = np.arange(50.0)
    seen: list[set[float]] = []

    def fit(x: np.ndarray, y: np.ndarray) -> object:
        learned = set(x[:, 0])
        assert x.shape[1:] == (1,)
        assert y.shape[1:] == (1,)
        seen.append(learned)

        def predict(rows: np.ndarray) -> np.ndarray:
            assert not learned & set(rows[:, 0])
            return rows[:, 0]

        return predict

    found = cross_fitted(names, names, rng, folds=4, fit=fit)
    assert found.shape == (50, 1)
    assert [len(one) for one in seen] == [37, 37, 38, 38]


def test_the_folds_hang_on_the_seed_alone() -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 200))
    one, two, three = (cross_fitted(x, y, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one != three).any()


def test_a_model_that_learns_nothing_is_the_plain_difference() -> None:
    y = np.random.default_rng(4).gamma(1, 1, (300, 1))
    guess = cross_fitted(np.ones((300, 3)), y, np.random.default_rng(0))
    found = adjusted(y, guess, 150)
    assert (found.effect.low, found.effect.high) == pytest.approx((found.plain.low, found.plain.high))


def adjusted(y: np.ndarray, guess: np.ndarray, n: int, **settings: bool) -> Adjusted:
    rows = np.column_stack([y, guess])
    return cuped(Comoments.of(rows[:n]), Comoments.of(rows[n:]), **settings)


def nonsense(x: np.ndarray, y: np.ndarray) -> object:
    """Weights that have nothing to do with the outcomes, and a memory of those it saw."""
    weights = np.random.default_rng(int(abs(y).sum() * 1e6) % 2**32).normal(size=(x.shape[1], y.shape[1]))
    return lambda rows: rows @ weights * 10 - y.mean(0)


def memory(x: np.ndarray, y: np.ndarray) -> object:
    """Overfits as far as can be: the outcome of the nearest user it saw."""
    return lambda rows: y[np.abs(rows[:, None, 0] - x[None, :, 0]).argmin(axis=1)]


@pytest.mark.parametrize(
    ("fit", "helps"), [(ridge, (0.4, 0.7)), (nonsense, (-0.02, 0.06)), (memory, (-0.02, 0.3))],
    ids=["a good model", "a useless model", "an overfitted model"],
)  # fmt: skip
def test_never_invalid(fit: object, helps: tuple[float, float]) -> None:
    """Skewed revenue, treated users included in what the model learns from; 400 worlds."""
    worlds, n, m, true = 400, 250, 350, 0.2
    rng = np.random.default_rng(5)
    alarms = covered = 0
    less = []
    for _ in range(worlds):
        x = rng.standard_normal((n + m, 4)).astype(np.float32)
        y = np.maximum(4 + x @ [1.5, 1.0, 0.5, 0.0], 0) + rng.gamma(1, 1.5, n + m)
        for change in (0.0, true):
            after = y * np.where(np.arange(n + m) < n, 1 + change, 1.0)
            found = adjusted(after, cross_fitted(x, after, rng, fit=fit), n)
            if change:
                covered += found.effect.relative_low <= true <= found.effect.relative_high
            else:
                alarms += found.effect.p_value < 0.05
                less.append(found.variance_reduction)
    assert alarms / worlds == pytest.approx(0.05, abs=SLACK / worlds**0.5)
    assert covered / worlds == pytest.approx(0.95, abs=SLACK / worlds**0.5)
    assert helps[0] < np.mean(less) < helps[1]


def test_a_ratio_takes_a_prediction_of_both_parts() -> None:
    rng = np.random.default_rng(6)
    pace, taste = rng.gamma(2, 3, 2000), rng.beta(2, 8, 2000)
    slates = 1 + rng.poisson(pace)
    both = np.column_stack([rng.binomial(slates, taste), slates]).astype(float)
    guess = cross_fitted(np.column_stack([pace, taste, pace * taste]), both, rng)
    assert guess.shape == (2000, 2)
    assert adjusted(both, guess, 900, ratio=True).variance_reduction > 0.3


def test_errors() -> None:
    rng, x = np.random.default_rng(0), np.ones((10, 2))
    with pytest.raises(DataError, match="features of 10 users and outcomes of 9"):
        cross_fitted(x, np.ones(9), rng)
    with pytest.raises(DataError, match=r"the features hold NaN or infinite values.*stats\.impute"):
        cross_fitted(x * np.nan, np.ones(10), rng)
    with pytest.raises(DataError, match="the outcomes hold NaN"):
        cross_fitted(x, np.full(10, np.inf), rng)
    with pytest.raises(SettingError, match="11 folds of 10 users"):
        cross_fitted(x, np.ones(10), rng, folds=11)
    with pytest.raises(DataError, match="the model foretells NaN"):
        cross_fitted(x, np.ones(10), rng, fit=lambda _x, _y: lambda rows: rows[:, 0] * np.nan)
    with pytest.raises(DataError, match="no rows to learn from"):
        ridge(x[:0], np.ones((0, 1)))
