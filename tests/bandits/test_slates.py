"""Slates: cascades, distinct items, exploration of a few places, pacing, conservative mixing, levels, the watch."""

import numpy as np
import pytest

from recloop.bandits import CascadeKLUCB, CascadeThompson, Outcomes, Pacing, TwoLevel, Watched
from recloop.bandits.cascade import read_from_the_top
from recloop.bandits.conservative import conservative
from recloop.bandits.pacing import dual_bound
from recloop.bandits.slots import draw_distinct, explore_places
from recloop.bandits.watch import changed
from recloop.errors import SettingError


@pytest.mark.parametrize("bandit", [CascadeThompson(prior="fixed"), CascadeKLUCB(slack=0.0)])
def test_a_cascade_learns_the_best_slate(bandit: CascadeThompson | CascadeKLUCB) -> None:
    """A simulation: twelve items, slates of three read from the top."""
    rng, rates = np.random.default_rng(0), np.array([0.05] * 9 + [0.3, 0.35, 0.4])
    state = bandit.initial([f"i{n}" for n in range(12)])
    for _ in range(150):
        slates = bandit.slates(state, 20, 3, rng)
        assert all(len(set(row)) == 3 for row in slates.tolist())
        hit = rng.random(slates.shape) < rates[slates]
        clicked = np.where(hit.any(axis=1), hit.argmax(axis=1), 3)
        items, rewards = read_from_the_top(slates, clicked)
        state = bandit.update(state, Outcomes(items, rewards))
    shown = bandit.slates(state, 200, 3, rng)
    assert np.isin(shown, [9, 10, 11]).mean() > 0.9
    with pytest.raises(SettingError, match="a slate of 13 is asked for; 1 to 12 items are on offer"):
        bandit.slates(state, 1, 13, rng)


def test_chances_of_places_are_estimated() -> None:
    bandit = CascadeThompson(prior="fixed")
    state = bandit.update(bandit.initial(["a", "b", "c"]), Outcomes(["a"] * 8 + ["b"] * 8, [1.0] * 6 + [0.0] * 10))
    found = bandit.place_propensities(state, 2, np.random.default_rng(1))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    # the chance of the first place is that of Thompson sampling, which is known by quadrature
    np.testing.assert_allclose(found[0], bandit.propensities(state)[0], atol=4 * 0.008)


def test_distinct_items_have_the_chances_they_say() -> None:
    rng, n = np.random.default_rng(2), 60_000
    share = np.broadcast_to(np.array([[0.5, 0.3, 0.2, 0.0], [0.1, 0.2, 0.3, 0.4]]), (n, 2, 4))
    items, chances = draw_distinct(share, rng.random((n, 2)))
    assert (items[:, 0] != items[:, 1]).all()
    whole = chances.prod(axis=1)
    for first in range(3):
        for second in set(range(4)) - {first}:
            rows = (items == [first, second]).all(axis=1)
            expected = share[0, 0, first] * share[0, 1, second] / (1 - share[0, 1, first])
            assert abs(rows.mean() - expected) < 5 * np.sqrt(expected / n)
            np.testing.assert_allclose(whole[rows], expected)
    with pytest.raises(SettingError, match="5 places are to be filled from 4 items"):
        draw_distinct(np.ones((1, 5, 4)), np.ones((1, 5)))


def test_a_few_places_are_explored() -> None:
    rng, n, k = np.random.default_rng(3), 40_000, 6
    ranked = np.broadcast_to(np.arange(10), (n, 10))
    found = explore_places(ranked, k, share=0.3, most=2, uniform=rng.random((n, k, 2)), first=2)
    counts = found.explored.sum(axis=1)
    assert counts.max() == 2
    assert not found.explored[:, :2].any()
    assert all(len(set(row)) == k for row in found.items[:500].tolist())
    np.testing.assert_array_equal(found.items[~found.explored], np.broadcast_to(np.arange(k), (n, k))[~found.explored])
    # each slate is as frequent as the product of its places says
    slates, place, times = np.unique(found.items, axis=0, return_index=True, return_counts=True)
    chance = found.propensities[place].prod(axis=1)
    often = chance > 0.002
    assert (np.abs(times / n - chance) < 5 * np.sqrt(chance / n))[often].all()
    assert len(slates) > 20
    none = explore_places(np.arange(6)[None], 6, share=0.9, most=6, uniform=np.zeros((1, 6, 2)))
    assert (none.items.tolist(), none.propensities.tolist()) == ([list(range(6))], [[1.0] * 6])
    with pytest.raises(SettingError, match=r"share is 1.0, most is 2"):
        explore_places(np.arange(6)[None], 3, share=1.0, most=2, uniform=np.zeros((1, 3, 2)))


def test_pacing_earns_nearly_what_can_be_earned() -> None:
    """A simulation: 20,000 choices between nothing and four offers, a budget for a fifth of them."""
    earned, ignored = [], []
    for seed in range(2):
        rng, n = np.random.default_rng(seed), 20_000
        rewards = np.concatenate([np.zeros((n, 1)), rng.gamma(1.0, 0.5, (n, 4))], axis=1)
        costs = np.concatenate([np.zeros((n, 1)), rng.uniform(0.1, 1.0, (n, 4))], axis=1)
        budget = 0.2 * n * 0.55
        bound = dual_bound(rewards, costs, budget)
        pacing = Pacing()
        pace, got, left, greedy = pacing.start([budget], choices=n), 0.0, budget, 0.0
        for start in range(0, n, 20):
            rows = np.arange(start, start + 20)
            chosen = pacing.choose(pace, rewards[rows], costs[rows][:, :, None])
            spent = costs[rows, chosen]
            if spent.sum() > pace.left[0]:
                break
            got += rewards[rows, chosen].sum()
            pace = pacing.spend(pace, spent[:, None])
            best = rewards[rows].argmax(axis=1)
            if costs[rows, best].sum() <= left:
                greedy += rewards[rows, best].sum()
                left -= costs[rows, best].sum()
        assert pace.left[0] >= 0
        earned.append(got / bound)
        ignored.append(greedy / bound)
    assert min(earned) >= 0.95
    assert max(ignored) <= 0.75


def test_conservative_is_never_expected_below_the_line() -> None:
    rng = np.random.default_rng(4)
    share = rng.dirichlet(np.ones(5), 300)
    low = rng.random((300, 5)) * 0.5
    high = low + rng.random((300, 5)) * 0.5
    mixed = conservative(share, low, high, 2, loss=0.1)
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0)
    assert (mixed >= 0).all()
    truth = low + (high - low) * rng.random((300, 300, 5))  # any truth inside the bounds
    assert ((truth * mixed).sum(axis=2) >= 0.9 * truth[:, :, 2] - 1e-12).all()
    assert (mixed[:, 2] < 1).any()
    sure = np.array([0.6, 0.7, 0.5, 0.9, 0.6])  # nobody can be below the control, so the bandit has its way
    np.testing.assert_allclose(conservative(share, sure, sure, 2, loss=0.0), share)
    np.testing.assert_array_equal(conservative(share, low * 0, high, 2, loss=0.0)[:, 2], 1.0)
    with pytest.raises(SettingError, match="loss is 2"):
        conservative(share, low, high, 2, loss=2)


def test_two_levels_of_thousands_of_arms() -> None:
    """A simulation: 1,200 arms in 60 groups, of which one is good; single arms are hardly ever tried twice."""
    rng, n = np.random.default_rng(5), 1200
    groups = [f"g{number % 60}" for number in range(n)]
    rates = np.where(np.arange(n) % 60 == 7, 0.3, 0.05)
    two = TwoLevel(groups, [str(number) for number in range(n)])
    state, won = two.initial(), 0.0
    for _ in range(60):
        arms = two.choose(state, 100, rng)
        rewards = (rng.random(100) < rates[arms]).astype(float)
        won += rewards.sum()
        state = two.update(state, Outcomes(arms, rewards))
    assert won / 6000 > 0.2  # evenly it would be .054
    share = two.propensities(state)
    assert share.sum() == pytest.approx(1.0)
    assert share[np.arange(n) % 60 == 7].sum() > 0.9


def test_the_watch_is_quiet_until_something_changes() -> None:
    """A simulation: hardly an alarm where nothing changes, an alarm soon after a change, and then the best arm again."""
    bandit, alarms, found = Watched(), 0, []
    for seed in range(8):
        rng, state = np.random.default_rng(seed), bandit.initial(["a", "b"])
        rates = np.array([0.5, 0.3])
        for step in range(60):
            if step == 30:
                alarms += bandit.alarmed(state)
                rates = rates[::-1]
            arms = bandit.choose(state, np.empty((50, 0)), rng)
            state = bandit.update(state, Outcomes(arms, (rng.random(50) < rates[arms]).astype(float)))
        found.append(bandit.alarmed(state) and bandit.propensities(state)[0, 1] > 0.8)
    assert alarms <= 1
    assert np.mean(found) >= 0.85


def test_false_alarms_are_rare_at_any_time() -> None:
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(200):
        won = rng.binomial(20, 0.3, 60).astype(float)
        wrong += any(changed(np.full(n, 20.0), won[:n], 0.1) for n in range(2, 61, 3))
    assert wrong <= 20
