"""Errors of estimates: by hand, against simulation, and by user."""

import numpy as np
import pytest

from recloop.errors import DataError, SettingError
from recloop.evaluate.off_policy import Terms, ips, self_normalised_doubly_robust, snips
from recloop.evaluate.off_policy.choice import error_bounds


def test_the_error_of_a_mean_is_the_textbook_one() -> None:
    rng = np.random.default_rng(1)
    rewards = rng.random(50)
    assert ips(np.ones(50), rewards).error() == pytest.approx(rewards.std(ddof=1) / np.sqrt(50), rel=1e-12)


def test_the_error_of_snips_is_that_of_repeated_logs() -> None:
    rng = np.random.default_rng(2)
    weights = rng.choice([0.5, 3.0], (4000, 400), p=[0.8, 0.2])
    rewards = (rng.random((4000, 400)) < 0.1 + 0.1 * (weights > 1)) * 1.0
    values = (weights * rewards).sum(axis=1) / weights.sum(axis=1)
    errors = [snips(w, r).error() for w, r in zip(weights[:200], rewards[:200], strict=True)]
    assert np.mean(errors) == pytest.approx(values.std(), rel=0.04)


def test_rounds_of_one_user_count_as_one() -> None:
    rng = np.random.default_rng(3)
    rewards, users = rng.random(40), np.arange(40)
    twice = Terms.of(np.repeat(rewards, 5))
    assert twice.error(np.repeat(users, 5)) == pytest.approx(Terms.of(rewards).error(), rel=1e-12)
    assert twice.error() < 0.6 * twice.error(np.repeat(users, 5))
    drawn = twice.redrawn(rng, np.repeat(users, 5), 2000)
    assert drawn.std() == pytest.approx(Terms.of(rewards).error(), rel=0.06)


def test_the_bootstrap_agrees_with_the_formula_where_both_hold() -> None:
    rng = np.random.default_rng(4)
    weights, rewards = rng.exponential(size=800), rng.random(800)
    terms = self_normalised_doubly_robust(weights, rewards, np.full(800, 0.5), rng.random(800))
    formula, drawn = terms.interval(0.1), terms.bootstrap(rng, 0.1)
    assert (drawn.low, drawn.high) == pytest.approx((formula.low, formula.high), abs=0.01)
    assert drawn.low < terms.value < drawn.high


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(400):
        users = np.repeat(np.arange(60), 5)
        habit = rng.random(60)[users]  # rounds of one user hang together
        done = rng.random(300) < 0.4
        weights = np.where(done, 0.7 / 0.4, 0.3 / 0.6)
        rewards = (rng.random(300) < habit * np.where(done, 0.8, 0.4)) * 1.0
        low, high, _ = snips(weights, rewards).interval(0.1, users)
        inside += low < 0.7 * 0.4 + 0.3 * 0.2 < high
    assert 0.86 <= inside / 400 <= 0.94


def test_a_policy_that_never_does_what_was_logged_is_refused() -> None:
    with pytest.raises(DataError, match="every weight is zero: the policy never does what was logged; log with some"):
        snips(np.zeros(3), np.ones(3))
    with pytest.raises(DataError, match="the log has no round"):
        ips(np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="there are 1 users; an interval needs two"):
        ips(np.ones(2), np.ones(2)).interval(users=np.zeros(2, dtype=np.int64))
    with pytest.raises(SettingError, match="draws is 10; at least 100"):
        ips(np.ones(2), np.ones(2)).bootstrap(np.random.default_rng(1), draws=10)


def test_what_is_far_from_the_unbiased_estimate_is_not_taken() -> None:
    rng = np.random.default_rng(6)
    weights = np.where(rng.random(2000) < 0.1, 8.0, 0.2)
    rewards = (rng.random(2000) < np.where(weights > 1, 0.5, 0.05)) * 1.0
    exact, halved = ips(weights, rewards), ips(np.minimum(weights, 4.0), rewards)
    first, second = error_bounds([exact, halved], exact)
    assert first == pytest.approx(exact.error() ** 2)
    assert second > first
