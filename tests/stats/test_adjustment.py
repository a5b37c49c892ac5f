"""CUPED against ordinary least squares and a Monte-Carlo covariance; covariates that are missing, constant, collinear."""

import dataclasses
import math

import numpy as np
import pytest
import statsmodels.api as sm

from recloop.errors import DataError
from recloop.stats import Adjusted, Comoments, Effect, Moments, cuped, impute, ratio, welch

SLACK = 3 * (0.05 * 0.95) ** 0.5


def arms(seed: int, n: int = 150, m: int = 150, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Rows y, z_1 .. z_d of a treatment and a control."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n + m, d)) @ rng.normal(size=(d, d)) + 3
    y = z @ np.arange(1, d + 1) + rng.normal(size=n + m) * 2
    y[:n] += 0.5
    rows = np.column_stack([y, z])
    return rows[:n], rows[n:]


def of(t: np.ndarray, c: np.ndarray, **settings: object) -> Adjusted:
    return cuped(Comoments.of(t), Comoments.of(c), **settings)


def same(one: Effect, two: Effect) -> bool:
    first, second = (dataclasses.asdict(e) for e in (one, two))
    return all(
        b == (a if isinstance(a, str) else pytest.approx(a))
        for a, b in zip(first.values(), second.values(), strict=True)
    )


def test_equal_arms_are_ordinary_least_squares() -> None:
    t, c = arms(0)
    arm = np.repeat([1.0, 0.0], 150)
    rows = np.vstack([t, c])
    oracle = sm.OLS(rows[:, 0], np.column_stack([np.ones(300), arm, rows[:, 1:]])).fit()
    found = of(t, c)
    assert found.effect.estimate == pytest.approx(oracle.params[1], rel=1e-9)
    assert found.theta == pytest.approx(oracle.params[2:], rel=1e-9)
    # ordinary least squares takes one variance for both arms, and so the same degrees of freedom
    assert (found.effect.high - found.effect.low) / 2 == pytest.approx(np.diff(oracle.conf_int()[1])[0] / 2, rel=2e-4)
    assert found.effect.p_value == pytest.approx(oracle.pvalues[1], rel=1e-2)


def test_unequal_arms_are_the_regression_with_interactions() -> None:
    """Lin's estimator: the covariates centred over both arms, and multiplied by the arm."""
    rng = np.random.default_rng(3)
    n, m = 40_000, 10_000
    z = rng.gamma(2, 1, (n + m, 2))
    arm = np.repeat([1.0, 0.0], [n, m])
    y = z @ [1.0, 2.0] * (1 + arm) + rng.normal(size=n + m)
    found = of(np.column_stack([y, z])[:n], np.column_stack([y, z])[n:])
    centred = z - z.mean(0)
    design = np.column_stack([np.ones(n + m), arm, centred, centred * arm[:, None]])
    oracle = sm.OLS(y, design).fit(cov_type="HC2")
    error = (found.effect.high - found.effect.low) / (2 * 1.96)
    assert found.effect.estimate == pytest.approx(oracle.params[1], abs=0.05 * error)
    # the regression takes the covariates' mean as given: its error leaves out that of theta_t - theta_c times this mean
    missing = (oracle.params[4:] @ np.cov(z.T) @ oracle.params[4:]) / (n + m)
    assert error**2 == pytest.approx(oracle.bse[1] ** 2 + missing, rel=0.01)


def test_parts_add_up() -> None:
    t, c = arms(1)
    whole = of(t, c).effect
    parts = cuped(Comoments.of(t[:50]) + Comoments.of(t[50:]), Comoments.of(c[:9]) + Comoments.of(c[9:])).effect
    assert (parts.low, parts.high, parts.relative_low) == pytest.approx((whole.low, whole.high, whole.relative_low))


def test_the_plain_effect_stands_beside_it() -> None:
    t, c = arms(2)
    found = of(t, c)
    assert same(found.plain, welch(Moments.of(t[:, 0]), Moments.of(c[:, 0])))
    widths = [(e.high - e.low) ** 2 for e in (found.effect, found.plain)]
    assert found.variance_reduction == pytest.approx(1 - widths[0] / widths[1], rel=0.01)
    assert found.variance_reduction > 0.5


def test_large_means_lose_no_figures() -> None:
    t, c = arms(4)
    shift = np.array([0.0, 1e9, -1e7, 0.0])
    near, far = of(t, c), of(t + shift, c + shift)
    assert far.effect.estimate == pytest.approx(near.effect.estimate, rel=1e-6)
    assert far.theta == pytest.approx(near.theta, rel=1e-5)


def test_constant_and_collinear_covariates_change_nothing() -> None:
    t, c = arms(5)
    found = of(t, c)
    for extra in (
        lambda rows: np.full(len(rows), 0.1),  # constant, with rounding in its mean
        lambda rows: 7 * rows[:, 1] - 2 * rows[:, 2] + 5,  # collinear
        lambda rows: 1e8 * rows[:, 3],  # twice the same, in another unit
    ):
        more = of(np.column_stack([t, extra(t)]), np.column_stack([c, extra(c)]))
        assert (more.effect.low, more.effect.high) == pytest.approx((found.effect.low, found.effect.high), rel=1e-6)


def test_only_constant_covariates_are_the_plain_difference() -> None:
    t, c = arms(6)
    t, c = t[:, :2].copy(), c[:, :2].copy()
    t[:, 1] = c[:, 1] = 4.2
    found = of(t, c)
    assert (found.effect.low, found.effect.p_value) == pytest.approx((found.plain.low, found.plain.p_value))
    assert found.variance_reduction == pytest.approx(0)


def test_an_outcome_that_is_its_covariate() -> None:
    t, c = arms(7)
    found = of(np.column_stack([t[:, 1], t[:, 1]]), np.column_stack([c[:, 1], c[:, 1]]))
    assert found.effect.estimate == pytest.approx(0, abs=1e-9)
    assert found.variance_reduction == pytest.approx(1)


def test_a_ratio_with_denominator_one_is_a_mean() -> None:
    t, c = arms(8)
    mean = of(t, c)
    one = [np.insert(rows, 1, 1.0, axis=1) for rows in (t, c)]
    found = of(*one, ratio=True)
    assert (found.effect.low, found.effect.relative_high) == pytest.approx((mean.effect.low, mean.effect.relative_high))
    assert same(found.plain, ratio(Moments.of(one[0][:, 0], one[0][:, 1]), Moments.of(one[1][:, 0], one[1][:, 1])))


def test_the_value_of_an_arm_is_the_one_at_the_common_covariates() -> None:
    t, c = arms(9, 90, 210)
    found = of(t, c)
    mean = np.vstack([t, c])[:, 1:].mean(0)
    for value, rows in ((found.effect.treatment, t), (found.effect.control, c)):
        assert value == pytest.approx(rows[:, 0].mean() - found.theta @ (rows[:, 1:].mean(0) - mean))
    assert found.effect.estimate == pytest.approx(found.effect.treatment - found.effect.control)


def test_joint_variance_of_both_values_by_simulation() -> None:
    """The variances of both adjusted values and of their difference, in worlds where the arms differ in all respects."""
    worlds, n, m = 3000, 60, 140
    rng = np.random.default_rng(10)
    values, said = np.empty((worlds, 2)), np.empty((worlds, 3))
    for world in range(worlds):
        z = rng.gamma(2, 1, (n + m, 1))
        y = 3 + 2 * z[:, 0] + rng.normal(size=n + m)
        y[:n] += 0.5 * z[:n, 0]
        found = of(np.column_stack([y, z])[:n], np.column_stack([y, z])[n:], alpha=0.3173, lift="delta").effect
        values[world] = found.treatment, found.control
        said[world] = found.high - found.low, found.relative_high - found.relative_low, found.relative
    for column, true in ((0, values[:, 0] - values[:, 1]), (1, values[:, 0] / values[:, 1])):
        assert (said[:, column] / 2).mean() == pytest.approx(true.std(), rel=0.05)


def revenue(rng: np.random.Generator, n: int, lift: float) -> np.ndarray:
    """Skewed: one in five buys; who bought before buys more. New users have no history."""
    taste = rng.lognormal(0, 0.7, n)
    before, after = ((rng.random(n) < 0.2) * taste * rng.lognormal(2, 0.5, n) for _ in range(2))
    before[rng.random(n) < 0.2] = np.nan
    return np.column_stack([after * (1 + lift), before, taste])


def clicks(rng: np.random.Generator, n: int, lift: float) -> np.ndarray:
    """Clicks, slates, clicks before, slates before; who comes often clicks more often."""
    pace, taste = rng.gamma(1.5, 3, n), rng.beta(2, 12, n)
    columns = []
    for more in (lift, 0.0):
        slates = 1 + rng.poisson(pace)
        odds = np.minimum(taste * (1 + np.minimum(pace, 20) / 20), 0.8) * (1 + more)
        columns += [rng.binomial(slates, odds), slates]
    return np.column_stack(columns).astype(float)


@pytest.mark.parametrize(("population", "two"), [(revenue, False), (clicks, True)], ids=["revenue", "clicks per slate"])
def test_error_rate_and_coverage(population: object, two: bool) -> None:
    worlds, n, m, true = 400, 500, 1000, 0.2
    rng = np.random.default_rng(11)
    own = 2 if two else 1
    counts = {name: np.zeros(2) for name in ("fieller", "delta")}
    for _ in range(worlds):
        for change in (0.0, true):
            rows = np.vstack([population(rng, n, change), population(rng, m, 0.0)])
            rows = np.column_stack([rows[:, :own], impute(rows[:, own:])])
            parts = Comoments.of(rows[:n]), Comoments.of(rows[n:])
            for lift in counts:
                e = cuped(*parts, ratio=two, lift=lift).effect
                counts[lift] += [0, e.relative_low <= true <= e.relative_high] if change else [e.p_value < 0.05, 0]
    for alarms, covered in counts.values():
        assert alarms / worlds == pytest.approx(0.05, abs=SLACK / worlds**0.5)
        assert covered / worlds == pytest.approx(0.95, abs=SLACK / worlds**0.5)


def test_many_covariates_of_few_users_keep_the_error_rate() -> None:
    worlds, rng = 1500, np.random.default_rng(12)
    rows = rng.standard_normal((worlds, 2, 25, 11))
    alarms = sum(of(t, c).effect.p_value < 0.05 for t, c in rows)
    assert alarms / worlds == pytest.approx(0.05, abs=SLACK / worlds**0.5)


def test_errors() -> None:
    t, c = arms(13)
    with pytest.raises(DataError, match="the arms have 4 and 3 columns"):
        of(t, c[:, :3])
    with pytest.raises(DataError, match="there is no covariate"):
        of(t[:, :1], c[:, :1])
    with pytest.raises(DataError, match="there is no covariate"):
        of(t[:, :2], c[:, :2], ratio=True)
    with pytest.raises(DataError, match="5 users are too few for 3 covariates"):
        of(t[:3], c[:2])
    with pytest.raises(DataError, match="1 users are too few"):
        of(t[:1], c)


def test_impute() -> None:
    filled = impute(np.array([[1.0, math.nan], [math.nan, math.nan]]), fill=[9.0, 0.0])
    assert filled.tolist() == [[1.0, 0.0, 0.0, 1.0], [9.0, 0.0, 1.0, 1.0]]
    assert impute([1.0, math.nan, 3.0]).tolist() == [[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]
    assert impute([math.nan]).tolist() == [[0.0, 1.0]]
    with pytest.raises(DataError, match="1 of 2 covariate values are infinite"):
        impute([1.0, math.inf])
    with pytest.raises(DataError, match="fill has 1 values; 2 finite ones"):
        impute([[1.0, 2.0]], fill=[0.0])


def test_the_constant_that_fills_does_not_matter() -> None:
    rng = np.random.default_rng(14)
    rows = revenue(rng, 400, 0.0)
    effects = [
        of(*np.split(np.column_stack([rows[:, 0], impute(rows[:, 1:], fill)]), 2)).effect.low
        for fill in (None, [0.0, 0.0], [5.0, 1.0])
    ]
    assert effects == pytest.approx([effects[0]] * 3, rel=1e-9)
