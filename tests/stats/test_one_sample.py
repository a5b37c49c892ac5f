"""One sample against zero: SciPy and statsmodels as oracles, and the error rate under peeking by simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from recloop.errors import DataError, SettingError
from recloop.stats import Moments, always_valid, always_valid_one_sample, one_sample, one_sample_size


def test_the_mean_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0.3, 2, 50)
    oracle = stats.ttest_1samp(values, 0)
    found = one_sample(Moments.of(values))
    low, high = oracle.confidence_interval()
    assert (found.estimate, found.low, found.high) == pytest.approx((values.mean(), low, high), rel=1e-12)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-10)


def test_a_ratio_is_the_mean_of_what_is_left_of_a_line() -> None:
    rng = np.random.default_rng(1)
    x = 1.0 + rng.poisson(3, 400)
    y = rng.normal(0.1, 1, 400) * x
    ratio = y.sum() / x.sum()
    left = (y - ratio * x) / x.mean()
    found = one_sample(Moments.of(y, x))
    assert found.estimate == pytest.approx(ratio)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 399) * left.std(ddof=1) / 20, rel=1e-9)


def test_the_sequence_is_that_of_two_arms_of_which_one_never_varies() -> None:
    """The other arm is zero for each of its users: the difference is the mean, and its users count for the plan."""
    one, none = Moments.from_summary(700, 0.1, 1.0), Moments.from_summary(2, 0.0, 0.0)
    found, oracle = always_valid_one_sample(one, planned=700), always_valid(one, none, planned=702)
    assert (found.low, found.high, found.p_value) == pytest.approx((oracle.low, oracle.high, oracle.p_value))


def test_the_p_value_is_the_alpha_at_which_zero_leaves() -> None:
    edge = always_valid_one_sample(Moments.from_summary(500, 0.0, 2.0), planned=800).high
    assert always_valid_one_sample(Moments.from_summary(500, edge, 2.0), planned=800).p_value == pytest.approx(0.05)


def test_no_spread() -> None:
    for read in (one_sample, lambda m: always_valid_one_sample(m, planned=10)):
        assert read(Moments.of([0.0, 0.0])).p_value == 1
        assert read(Moments.of([1.0, 1.0])).p_value == 0
        assert read(Moments.of([1.0, 1.0])).low == 1


def test_errors() -> None:
    with pytest.raises(DataError, match="1 users are too few"):
        one_sample(Moments.of([1.0]))
    with pytest.raises(SettingError, match="planned is 1"):
        always_valid_one_sample(Moments.of([1.0, 2.0]), planned=1)
    with pytest.raises(SettingError, match=r"power is 1\.0"):
        one_sample_size(1.0, 0.1, power=1.0)
    with pytest.raises(SettingError, match="the value to find is 0"):
        one_sample_size(1.0, 0.0)
    with pytest.raises(SettingError, match="variance is -1"):
        one_sample_size(-1.0, 0.1)


def test_the_size_has_its_power() -> None:
    n = one_sample_size(4.0, 0.25)
    assert NormalIndPower(ddof=0).power(0.125, n, 0.05, ratio=0) == pytest.approx(0.8, abs=2e-3)
    rng = np.random.default_rng(2)
    found = [one_sample(Moments.of(rng.normal(0.25, 2, n))).p_value < 0.05 for _ in range(1000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.045)


def test_error_rate_under_peeking() -> None:
    rng, worlds, users = np.random.default_rng(3), 300, 1000
    ends = np.arange(50, users + 1, 10)
    fixed = ever = 0
    for _ in range(worlds):
        parts = Moments.running(rng.choice([-1.0, 0.0, 1.0], users, p=[0.1, 0.8, 0.1]), None, ends)
        fixed += any(one_sample(part).p_value < 0.05 for part in parts)
        ever += any(always_valid_one_sample(part, planned=users).p_value < 0.05 for part in parts)
    assert ever / worlds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert fixed / worlds > 0.15
