"""Relative change: the three methods beside each other, and the policy for baselines that carry no percentage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.errors import SettingError
from recloop.stats import Estimate, Moments, ratio, relative_lift, welch
from recloop.stats.lift import Lift, difference_with_lift

METHODS = ("fieller", "delta", "log")


def test_delta_method_against_a_gradient() -> None:
    t, c = Moments.from_summary(400, 1.3, 2.0), Moments.from_summary(500, 1.0, 1.5)
    gradient = np.array([1 / 1.0, -1.3 / 1.0**2])
    error = math.sqrt(gradient**2 @ [2.0 / 400, 1.5 / 500])
    e = relative_lift(t, c, method="delta")
    assert e.relative == pytest.approx(0.3)
    assert e.relative_high - e.relative == pytest.approx(1.96 * error, rel=3e-3)
    assert e.scale == "relative"
    assert e.method == "Welch, relative by the delta method"


def test_correlated_arms_against_a_gradient() -> None:
    t, c, pairs = Estimate(1.3, 0.02, 200), Estimate(1.0, 0.01, 200), Estimate(0.3, 0.014, 200)
    e = difference_with_lift(t, c, 0.05, math.inf, "both", "delta", pairs)
    covariance = (0.02 + 0.01 - 0.014) / 2
    gradient = np.array([1.0, -1.3])
    error = math.sqrt(gradient @ [[0.02, covariance], [covariance, 0.01]] @ gradient)
    assert e.relative_low == pytest.approx(0.3 - 1.959964 * error, rel=1e-6)


def test_far_from_zero_the_three_agree() -> None:
    t, c = Moments.from_summary(10**6, 102.0, 900.0), Moments.from_summary(10**6, 100.0, 900.0)
    found = [relative_lift(t, c, method=name) for name in METHODS]
    assert [e.relative_low for e in found] == pytest.approx([found[0].relative_low] * 3, rel=2e-3)
    assert [e.relative_high for e in found] == pytest.approx([found[0].relative_high] * 3, rel=2e-3)


def test_the_default_is_what_welch_and_ratio_show() -> None:
    rng = np.random.default_rng(0)
    y, x = rng.gamma(2, 1, (2, 200)), rng.gamma(5, 1, (2, 200))
    assert relative_lift(Moments.of(y[0]), Moments.of(y[1])) == welch(Moments.of(y[0]), Moments.of(y[1]))
    t, c = Moments.of(y[0], x[0]), Moments.of(y[1], x[1])
    assert relative_lift(t, c) == ratio(t, c)


@settings(deadline=None)
@given(
    st.floats(-3, 3), st.floats(-3, 3), st.floats(0.01, 4), st.floats(0.01, 4), st.sampled_from(METHODS),
    st.sampled_from([0.01, 0.05, 0.3]),
)  # fmt: skip
def test_no_interval_is_inverted_and_the_p_value_belongs_to_the_scale(
    t: float, c: float, vt: float, vc: float, method: str, alpha: float
) -> None:
    arms = Moments.from_summary(30, t, vt), Moments.from_summary(40, c, vc)
    e, plain = relative_lift(*arms, alpha, method=method), welch(*arms, alpha)
    assert (e.low, e.high) == (plain.low, plain.high)
    if e.bounded:
        assert c > 0
        assert e.relative_low <= e.relative <= e.relative_high
    else:
        assert (e.relative_low, e.relative_high, e.scale) == (-math.inf, math.inf, "absolute")
        assert math.isnan(e.relative)
        assert e.p_value == plain.p_value
    low, high = (e.relative_low, e.relative_high) if e.scale == "relative" else (e.low, e.high)
    if abs(e.p_value - alpha) > 1e-6:
        assert (low > 0 or high < 0) == (e.p_value < alpha)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("control", [-5.0, 0.0, 0.01])
def test_no_percentage_of_a_baseline_that_is_not_clearly_above_zero(method: str, control: float) -> None:
    e = relative_lift(Moments.from_summary(100, 1.0, 1.0), Moments.from_summary(100, control, 1.0), method=method)
    assert not e.bounded
    assert math.isnan(e.relative)


def test_no_logarithm_of_a_loss() -> None:
    arms = Moments.from_summary(100, -1.0, 1.0), Moments.from_summary(100, 5.0, 1.0)
    assert not relative_lift(*arms, method="log").bounded
    assert relative_lift(*arms, method="delta").relative == pytest.approx(-1.2)


def test_arms_without_spread() -> None:
    same = Moments.from_summary(10, 2.0, 0.0)
    assert relative_lift(same, same, method="delta").p_value == 1
    assert relative_lift(Moments.from_summary(10, 3.0, 0.0), same, method="log").p_value == 0


def test_bad_method() -> None:
    with pytest.raises(SettingError, match=r"'felier'.*Did you mean 'fieller'"):
        relative_lift(Moments.of_share(1, 2), Moments.of_share(1, 2), method="felier")


@pytest.mark.parametrize("method", METHODS)
def test_coverage(method: str) -> None:
    """4,000 worlds, a control ten standard errors above zero."""
    rng = np.random.default_rng(5)
    t, c = rng.normal(1.2, 0.1, 4000), rng.normal(1.0, 0.1, 4000)
    found = [
        difference_with_lift(Estimate(a, 0.01, 100), Estimate(b, 0.01, 100), 0.05, math.inf, "z", method)
        for a, b in zip(t, c, strict=True)
    ]
    covered = np.mean([e.relative_low <= 0.2 <= e.relative_high for e in found])
    assert covered == pytest.approx(0.95, abs=3 * (0.05 * 0.95 / 4000) ** 0.5 + (0.01 if method == "delta" else 0))


@pytest.mark.parametrize("method", METHODS)
def test_a_baseline_that_dwarfs_its_spread_keeps_its_figures(method: Lift) -> None:
    """Around 1e12 with a spread of 1e3, a relative change is the difference over the baseline to many figures."""
    control = Moments.from_summary(2970, 1e12, 1e6)
    treatment = Moments.from_summary(30, 1e12 + 40, 1e6)
    found = relative_lift(treatment, control, method=method)
    figures = np.array([found.relative, found.relative_low, found.relative_high])
    np.testing.assert_allclose(figures * 1e12, [40, found.low, found.high], rtol=1e-6)
