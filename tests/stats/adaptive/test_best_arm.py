"""The probability of being the best arm: closed forms, both directions, and the floor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from recloop import stats
from recloop.bandits import thompson
from recloop.errors import SettingError
from recloop.stats import Beta, Normal
from recloop.stats.adaptive import probability_best, probability_best_mean, with_floor

counts = st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=1, max_size=6)
directions = st.sampled_from(["higher", "lower"])
beliefs = st.lists(st.tuples(st.floats(-50, 50), st.floats(0.01, 30)), min_size=1, max_size=6)


@pytest.mark.parametrize(("m", "s"), [((0.0, 1.0), (1.0, 2.0)), ((3.0, 2.9), (0.01, 0.02)), ((0.0, 40.0), (1.0, 1.0))])
def test_two_normal_arms_against_the_closed_form(m, s) -> None:
    found = probability_best_mean(m, s)
    assert found[0] == pytest.approx(ndtr((m[0] - m[1]) / np.hypot(*s)), abs=1e-9)


def test_normal_arms_against_a_million_draws() -> None:
    rng = np.random.default_rng(2)
    m, s = np.array([0.0, 0.1, -0.2, 0.3]), np.array([1.0, 0.5, 1.5, 0.1])
    draws = np.bincount(rng.normal(m, s, (1_000_000, 4)).argmax(axis=1), minlength=4) / 1e6
    exact = probability_best_mean(m, s)
    assert (np.abs(draws - exact) < 5 * np.sqrt(exact * (1 - exact) / 1e6)).all()


def test_lower_is_better() -> None:
    rng = np.random.default_rng(3)
    a, b = np.array([3.0, 10, 40]), np.array([9.0, 20, 100])
    draws = np.bincount(rng.beta(a, b, (1_000_000, 3)).argmin(axis=1), minlength=3) / 1e6
    exact = probability_best(a, b, better="lower")
    assert (np.abs(draws - exact) < 5 * np.sqrt(exact * (1 - exact) / 1e6)).all()
    np.testing.assert_allclose(
        probability_best_mean([1.0, 2.0], [1.0, 3.0], better="lower"),
        probability_best_mean([-1.0, -2.0], [1.0, 3.0]),
    )


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_chances_of_beliefs_are_the_same(better) -> None:
    rates = {"a": Beta(3.0, 9.0), "b": Beta(10.0, 20.0), "c": Beta(400.0, 1000.0)}
    found = [one.best for one in stats.beliefs(rates, better=better).values()]
    np.testing.assert_allclose(found, probability_best([3, 10, 400], [9, 20, 1000], better=better), atol=1e-7)
    means = {"a": Normal(1.0, 0.04), "b": Normal(1.2, 0.01)}
    found = [one.best for one in stats.beliefs(means, better=better).values()]
    np.testing.assert_allclose(found, probability_best_mean([1.0, 1.2], [0.2, 0.1], better=better), atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(counts, directions)
def test_rates_always_share_out_one(pairs, better) -> None:
    share = probability_best(*zip(*pairs, strict=True), better=better)
    assert share.min() >= 0
    assert share.sum() == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(beliefs, directions, st.floats(-100, 100))
def test_means_share_out_one_and_do_not_hang_on_the_origin(pairs, better, shift) -> None:
    m, s = (np.array(column) for column in zip(*pairs, strict=True))
    share = probability_best_mean(m, s, better=better)
    assert share.min() >= 0
    assert share.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(probability_best_mean(m + shift, s, better=better), share, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.01, 30)), min_size=2, max_size=2))
def test_any_two_normal_arms_against_the_closed_form(pairs) -> None:
    (a, b), (s, t) = zip(*pairs, strict=True)
    assert probability_best_mean([a, b], [s, t])[0] == pytest.approx(ndtr((a - b) / np.hypot(s, t)), abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(counts, st.floats(0, 1))
def test_the_floor_keeps_sum_and_order(pairs, part) -> None:
    share = probability_best(*zip(*pairs, strict=True))
    floor = part / len(share)
    floored = with_floor(share, floor)
    assert floored.sum() == pytest.approx(1.0, abs=1e-12)
    assert floored.min() >= floor - 1e-15
    order = np.argsort(share, kind="stable")
    assert (np.diff(floored[order]) >= -1e-15).all()


def test_settings() -> None:
    with pytest.raises(SettingError, match=r"the floor is 0.4 for 3 arms; at least 0, and at most 1/3"):
        with_floor([0.2, 0.3, 0.5], 0.4)
    with pytest.raises(SettingError, match=r"successes are \[0.0, 1.0\]"):
        probability_best([0.0, 1.0], [1.0, 1.0])
    with pytest.raises(SettingError, match=r"deviations are \[1.0, 0.0\]; above 0"):
        probability_best_mean([0.0, 1.0], [1.0, 0.0])
    with pytest.raises(SettingError, match="2 means and 1 deviations are given"):
        probability_best_mean([0.0, 1.0], [1.0])


def test_the_policy_draws_with_the_same_probabilities() -> None:
    assert thompson.probability_best is probability_best
