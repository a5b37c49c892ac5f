"""Welch, paired and mean intervals against scipy and statsmodels; relative lift against brute-force inversion."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from recloop.errors import DataError, SettingError
from recloop.stats import (
    Estimate,
    Moments,
    benjamini_hochberg,
    holm,
    mean_interval,
    paired,
    ratio,
    relative_change,
    welch,
)

finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def samples(seed: int, n: int = 40, m: int = 25) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(5.3, 2.0, n), rng.normal(5.0, 0.7, m)


@settings(deadline=None)
@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=40), st.integers(0, 40))
def test_moments_add(rows: list[tuple[float, float]], cut: int) -> None:
    y, x = np.array(rows, dtype=np.float64).T
    whole, parts = Moments.of(y, x), Moments.of(y[:cut], x[:cut]) + Moments.of(y[cut:], x[cut:])
    scale = 1 + float(np.square(np.array(rows)).max())
    assert parts.n == whole.n
    for name in ("mean", "m2", "x_mean", "x_m2", "xy"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-9 * scale * len(rows))


def test_moments_keep_figures_of_large_values() -> None:
    y = 1e9 + np.arange(1000.0)
    whole = sum((Moments.of(part) for part in np.split(y, 20)), Moments())
    assert whole.var == pytest.approx(np.arange(1000.0).var(ddof=1), rel=1e-12)


def test_two_columns_against_numpy() -> None:
    y, x = np.random.default_rng(0).normal(size=(2, 50))
    moments = Moments.of(y, x)
    assert np.allclose([[moments.var, moments.cov], [moments.cov, moments.x_var]], np.cov(y, x))


def test_bad_columns() -> None:
    with pytest.raises(DataError, match="1 of 2 values are NaN or infinite"):
        Moments.of([1.0, math.nan])
    with pytest.raises(DataError, match="2 and 1 values"):
        Moments.of([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="1 users are too few"):
        welch(Moments.of([1.0]), Moments.of([1.0, 2.0]))
    with pytest.raises(DataError, match="denominator of the ratio sums to zero"):
        Moments.of([1.0, 2.0], [0.0, 0.0]).estimate()
    with pytest.raises(DataError, match=r"use stats\.ratio"):
        welch(Moments.of([1.0, 2.0], [1.0, 1.0]), Moments.of([1.0, 2.0], [1.0, 1.0]))
    with pytest.raises(SettingError, match="alpha is 5"):
        welch(Moments.of([1.0, 2.0]), Moments.of([1.0, 2.0]), alpha=5)


@pytest.mark.parametrize("seed", range(3))
def test_welch_against_scipy(seed: int) -> None:
    a, b = samples(seed)
    ours, oracle = welch(Moments.of(a), Moments.of(b)), scipy.stats.ttest_ind(a, b, equal_var=False)
    interval = oracle.confidence_interval(0.95)
    assert ours.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_paired_against_scipy() -> None:
    a, b = samples(1, 30, 30)
    a[3] = b[7] = math.nan
    ours, oracle = paired(a, b), scipy.stats.ttest_rel(a, b, nan_policy="omit")
    interval = oracle.confidence_interval(0.95)
    assert ours.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_paired_with_itself() -> None:
    a, _ = samples(2)
    same = paired(a, a)
    assert (same.estimate, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    with pytest.raises(DataError, match="0 users have both values"):
        paired([1.0, math.nan], [math.nan, 1.0])


def test_mean_interval_against_scipy() -> None:
    a, _ = samples(3)
    low, high = scipy.stats.t.interval(0.9, a.size - 1, a.mean(), scipy.stats.sem(a))
    assert mean_interval(a, alpha=0.1)[:3] == pytest.approx((a.mean(), low, high))
    assert mean_interval([2.0]) == (2.0, -math.inf, math.inf, 1)
    assert math.isnan(mean_interval([math.nan]).mean)


def test_a_ratio_with_denominator_one_is_a_mean() -> None:
    a, b = samples(4)
    one = ratio(Moments.of(a, np.ones_like(a)), Moments.of(b, np.ones_like(b)))
    plain = welch(Moments.of(a), Moments.of(b))
    assert (one.low, one.high, one.p_value) == pytest.approx((plain.low, plain.high, plain.p_value))


def test_ratio_standard_error_against_the_bootstrap() -> None:
    rng = np.random.default_rng(5)
    views = rng.poisson(rng.gamma(2, 3, 3000)) + 1
    clicks = rng.binomial(views, rng.beta(2, 8, 3000))
    draws = rng.integers(3000, size=(2000, 3000))
    boot = (clicks[draws].sum(1) / views[draws].sum(1)).std()
    assert Moments.of(clicks, views).estimate().variance ** 0.5 == pytest.approx(boot, rel=0.06)


def test_relative_change_is_the_set_that_is_not_rejected() -> None:
    t, c, critical = Estimate(1.3, 0.02, 50), Estimate(1.0, 0.03, 50), 2.0
    _, low, high = relative_change(t, c, critical)
    theta = np.linspace(-3, 5, 800_001)
    kept = theta[np.abs(t.value - theta * c.value) <= critical * np.sqrt(t.variance + theta**2 * c.variance)]
    assert (low, high) == pytest.approx((kept.min() - 1, kept.max() - 1), abs=2e-5)


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(1e-6, 4), st.floats(1e-6, 4), st.floats(0.5, 4))
def test_relative_change_never_inverts_and_agrees_with_the_difference(
    t: float, c: float, vt: float, vc: float, critical: float
) -> None:
    relative, low, high = relative_change(Estimate(t, vt, 9), Estimate(c, vc, 9), critical)
    if c <= critical * math.sqrt(vc) * (1 - 1e-9):
        assert (low, high) == (-math.inf, math.inf)
        assert math.isnan(relative)
    elif math.isfinite(low):
        assert low <= relative + 1e-9
        assert relative <= high + 1e-9
        gap = abs(t - c) - critical * math.sqrt(vt + vc)
        if abs(gap) > 1e-6:
            assert (low > 0 or high < 0) == (gap > 0)


@pytest.mark.parametrize(("ours", "name"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_multiplicity_against_statsmodels(ours: object, name: str) -> None:
    p = np.random.default_rng(6).uniform(size=23) ** 3
    assert np.allclose(ours(p), multipletests(p, method=name)[1])
    with_gap = ours([0.01, math.nan, 0.5])
    assert math.isnan(with_gap[1])
    assert with_gap[0] == pytest.approx(0.02)
