"""Intervals of a bandit's arms that may be looked at any time, as the live readout shows them."""

from collections.abc import Callable

import numpy as np
import pytest

from recloop.errors import DataError, SettingError
from recloop.stats.adaptive import (
    AdaptiveLog,
    aipw,
    contrast,
    evaluation_weights,
    lyapunov,
    read_adaptive,
    steady_contrast,
    steady_value,
)
from recloop.stats.adaptive.anytime import FIRST


def test_under_a_steady_allocation_it_is_the_published_sequence() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(0.3, 2.0, 700)
    band = lyapunov(scores, planned=900, variance=float(scores.var()))
    found = steady_value(scores, np.full(700, 0.2), planned=900)
    np.testing.assert_allclose([found.value, found.low, found.high], [b[-1] for b in band])
    gap = steady_contrast(scores, np.full(700, 0.2), np.full(700, 0.8), planned=900)
    np.testing.assert_allclose([gap.value, gap.low, gap.high], [b[-1] for b in band])


def test_each_round_keeps_its_weight_when_others_come() -> None:
    rng = np.random.default_rng(2)
    scores, e = rng.normal(size=400), rng.uniform(0.1, 0.9, 400)
    for end in (250, 400):
        h = np.sqrt(e[:end])
        value = (h * scores[:end]).sum() / h.sum()
        found = steady_value(scores[:end], e[:end], planned=400)
        assert found.value == pytest.approx(value)
        assert found.variance == pytest.approx(np.square(h * (scores[:end] - value)).sum() / h.sum() ** 2)
        h = np.sqrt(e[:end] * (1 - e[:end]))  # 1 / e + 1 / (1 - e) = 1 / (e (1 - e))
        gap = steady_contrast(scores[:end], e[:end], 1 - e[:end], planned=400)
        assert gap.value == pytest.approx((h * scores[:end]).sum() / h.sum())


@pytest.mark.parametrize("greedy", [False, True])
def test_false_alarms_over_many_looks(worlds: Callable[..., AdaptiveLog], greedy: bool) -> None:
    log = worlds(11, 400, 1000, greedy=greedy, mixed=True)
    scores, e = aipw(log), log.propensities
    gaps = scores[..., 1] - scores[..., 0]
    alarms, naive, missed = np.zeros((3, 400), bool)
    for end in np.linspace(FIRST, 1000, 25).astype(int):
        gap = steady_contrast(gaps[:, :end], e[:, :end, 1], e[:, :end, 0], planned=1000)
        value = steady_value(scores[:, :end, 0], e[:, :end, 0], planned=1000)
        alarms |= (gap.low > 0) | (gap.high < 0)
        missed |= (value.low > 0.3) | (value.high < 0.3)
        once = contrast(scores[:, :end], evaluation_weights(e[:, :end]), 1, 0)
        naive |= np.abs(once.value) > 1.96 * np.sqrt(once.variance)
    slack = 3 * np.sqrt(0.05 * 0.95 / 400)
    assert alarms.mean() <= 0.05 + slack
    assert missed.mean() <= 0.05 + slack
    assert naive.mean() > 0.13  # what the interval for one look does under the same looks


def test_users_who_return_are_one_unit() -> None:
    """Every user comes six times with a taste of their own: rounds taken for units are far too sure."""
    rng, looks = np.random.default_rng(3), range(200, 1201, 100)
    users = np.repeat(np.arange(200), 6)
    alarms = {"users": 0, "rounds": 0}
    for _ in range(200):
        scores = rng.normal(size=200)[users] + rng.normal(0, 0.3, 1200)
        wrong = dict.fromkeys(alarms, False)
        for end in looks:
            for name, who in (("users", users[:end]), ("rounds", None)):
                found = steady_value(scores[:end], np.full(end, 0.5), planned=200, users=who)
                wrong[name] |= not found.low <= 0 <= found.high
        alarms = {name: count + wrong[name] for name, count in alarms.items()}
    assert alarms["users"] / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert alarms["rounds"] / 200 > 0.3


def test_the_readout_of_every_look(small: AdaptiveLog) -> None:
    rng = np.random.default_rng(9)
    arms = rng.integers(0, 2, 2000)
    rewards = (rng.random(2000) < np.array([0.2, 0.5])[arms]).astype(float)
    log = AdaptiveLog.of(arms, rewards, np.full((2000, 2), 0.5))
    once, always = (read_adaptive(log, ["a", "b"], "a", planned=planned) for planned in (None, 2000))
    assert always.always_valid
    assert not once.always_valid
    assert always.sentence.startswith("Told from 'a' (95% intervals, valid at every look): 'b' by +0.")
    wide, narrow = (one.contrasts["b"].high - one.contrasts["b"].low for one in (always, once))
    assert 1.4 < wide / narrow < 1.7
    assert always.contrasts["b"].method == "adaptively weighted, always valid"
    assert always.contrasts["b"].p_value < 1e-6
    equal = read_adaptive(
        AdaptiveLog.of(arms, (rng.random(2000) < 0.3) * 1.0, np.full((2000, 2), 0.5)), ["a", "b"], "a", planned=2000
    ).contrasts["b"]
    assert (equal.p_value < 0.05) == (equal.low > 0 or equal.high < 0)
    with pytest.raises(DataError, match=r"there are 60 rounds; at least 100 for an interval that holds at every look"):
        read_adaptive(small, ["a", "b", "c"], "a", planned=60)
    with pytest.raises(SettingError, match=r"planned is 1; at least 2 rounds"):
        read_adaptive(log, ["a", "b"], "a", planned=1)


def test_rewards_that_never_differ_tell_nothing() -> None:
    flat = AdaptiveLog.of(np.zeros(150, int), np.zeros(150), np.full((150, 2), 0.5))
    with pytest.raises(DataError, match=r"every reward is 0; then nothing tells arms apart, and how sure"):
        read_adaptive(flat, ["a", "b"], "a", planned=150)
