"""Bandits around bandits: never far below a control, never above a budget."""

import numpy as np
import pytest

from recloop.bandits import (
    UCB1,
    Bandit,
    BetaThompson,
    Conservative,
    EpsilonGreedy,
    LinTS,
    LinUCB,
    Outcomes,
    Paced,
    State,
)
from recloop.bandits.intervals import rate_interval
from recloop.errors import SettingError

ARMS = ["old", "good", "bad"]
RATES = np.array([0.5, 0.6, 0.05])


def earned(
    bandit: Bandit, steps: int, seed: int, batch: int = 20, rates: np.ndarray = RATES
) -> tuple[np.ndarray, State]:
    """(steps,) what each choice was expected to earn, and the last state."""
    rng, state = np.random.default_rng(seed), bandit.initial(ARMS)
    found = []
    for _ in range(steps // batch):
        share = bandit.propensities(state, np.empty((batch, 0)))
        found.append(share @ rates)
        arms = bandit.choose(state, np.empty((batch, 0)), rng)
        state = bandit.update(state, Outcomes(arms, (rng.random(batch) < rates[arms]).astype(float)))
    return np.concatenate(found), state


def test_no_choice_is_expected_below_the_control_by_more_than_the_loss() -> None:
    alone = np.concatenate([earned(UCB1(), 2000, seed, 50)[0] for seed in range(6)])
    guarded = [earned(Conservative(bandit=UCB1(), control="old", loss=0.1), 2000, seed, 50)[0] for seed in range(6)]
    assert (alone < 0.45).any()
    # the intervals may fail in 5% of the runs
    assert sum(bool((run < 0.45 - 1e-9).any()) for run in guarded) <= 1
    late = np.mean([run[-500:].mean() for run in guarded])
    assert late > 0.485  # and it still finds out


def test_intervals_of_rates_hold_at_all_times() -> None:
    rng, runs, rates = np.random.default_rng(5), 300, np.tile([0.02, 0.5], 300)
    total, failed = np.cumsum(rng.random((400, 2 * runs)) < rates, axis=0), np.zeros(2 * runs, bool)
    for n in (1, 2, 3, 5, 10, 20, 30, 60, 100, 150, 200, 300, 400):
        # 300 pairs at once: the risk of each pair is a tenth
        low, high = rate_interval(np.full(2 * runs, float(n)), total[n - 1].astype(float), 0.1 * runs)
        failed |= (low > rates) | (high < rates)
        assert (high - low <= 1).all()
    assert failed.reshape(runs, 2).any(axis=1).sum() <= 0.1 * runs
    assert (high - low).mean() < 0.25


def test_a_linear_bandit_keeps_near_the_control_for_whom_it_is_unsure() -> None:
    bandit = Conservative(bandit=LinTS(ridge=1.0, noise=0.3), control="old", loss=0.05)
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(2000), np.repeat([0.0, 0.5], 1000)])
    x[-5:, 1] = 5.0
    arms = rng.integers(0, 3, 2000)
    state = bandit.update(bandit.initial(ARMS, features=2), Outcomes(arms, 0.8 * (arms == 1) + 0.4 * (arms == 0), x))
    near, far = bandit.propensities(state, [[1.0, 0.2], [1.0, 90.0]])
    assert near[1] > 0.99
    assert far[0] == 1.0


COSTS = {"old": 0.0, "good": 1.0, "bad": 2.0}


def paced(inner: object, budget: float, **settings: float) -> Paced:
    return Paced(bandit=inner, costs=COSTS, budget=budget, requests=1.0, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "inner", [UCB1(width=0.1), BetaThompson(), EpsilonGreedy(epsilon=0.05)], ids=lambda one: one.name
)
def test_a_budget_is_kept_and_spent_where_it_earns_most(inner: Bandit) -> None:
    costs, bandit = np.array([*COSTS.values()]), paced(inner, 0.5)
    got, state = earned(bandit, 12_000, 1, 300, np.array([0.1, 0.3, 0.35]))
    share = bandit.propensities(state)[0]
    assert share @ costs <= 0.5 + 1e-9
    # half of the requests with the arm of cost 1 earn .2; the dear arm in a quarter of them .1625
    assert got[-3000:].mean() > 0.95 * 0.2


def test_before_any_outcome_the_budget_holds() -> None:
    bandit = paced(UCB1(), 0.3)
    share = bandit.propensities(bandit.initial(ARMS))
    assert (share @ np.array([*COSTS.values()])).tolist() == pytest.approx([0.3])


def test_with_a_burst_the_learned_price_brings_the_mean_to_the_budget() -> None:
    bandit = paced(LinUCB(ridge=1.0, noise=0.3), 0.3, burst=3.0, step=0.02)
    rng, state = np.random.default_rng(2), bandit.initial(ARMS, features=2)
    costs, spent, worth = np.array([*COSTS.values()]), [], []
    for _ in range(60):
        wants = rng.random(60) < 0.5  # half of the requests want the good arm
        x = np.column_stack([np.ones(60), wants])
        arms = bandit.choose(state, x, rng)
        rates = np.where(arms == 1, np.where(wants, 0.9, 0.15), np.where(arms == 0, 0.1, 0.05))
        state = bandit.update(state, Outcomes(arms, (rng.random(60) < rates).astype(float), x))
        spent.append(costs[arms].mean())
        worth.append(costs[arms][~wants].sum() / max(costs[arms].sum(), 1e-9))
    assert float(state.common["price"][0]) > 0.1
    assert np.mean(spent[25:]) == pytest.approx(0.3, abs=0.04)
    assert np.mean(worth[25:]) < 0.05  # hardly anything for those who do not want it


def test_the_learned_price_is_the_same_in_one_batch() -> None:
    bandit = paced(UCB1(), 0.5, burst=2.0)
    arms, rewards = np.random.default_rng(3).integers(0, 3, 90), np.zeros(90)
    whole = bandit.update(bandit.initial(ARMS), Outcomes(arms, rewards))
    state = bandit.initial(ARMS)
    for row in range(90):
        state = bandit.update(state, Outcomes(arms[row : row + 1], rewards[row : row + 1]))
    assert whole.common["price"][0] > 0
    np.testing.assert_allclose(state.common["price"], whole.common["price"], atol=1e-12)
    assert State.of(whole.to_dict()) == whole


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Conservative(control="new").initial(ARMS), "the control 'new' of the bandit 'conservative' is no arm"),
        (lambda: Conservative(control="old", bandit=UCB1(window=9)), "the bandit 'ucb1' inside 'conservative' forgets"),
        (lambda: paced(UCB1(), 1.0).initial([*ARMS, "x"]), "the arm 'x' of the bandit 'paced' has no cost; costs = {x"),
        (
            lambda: paced(UCB1(), 0.5).initial(["good", "bad"]),
            "the cheapest arm costs 1.0, and the budget is 0.5 for each request; give an arm the cost 0",
        ),
    ],
)
def test_settings_that_do_not_fit(make: object, sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        make()  # type: ignore[operator]
    assert str(caught.value).startswith(sentence)
