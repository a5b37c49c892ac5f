"""Constraints in expectation: met, at the least cost, or refused with the best that can be reached."""

import numpy as np
import pytest
from scipy.optimize import linprog

from recloop.compose.objectives.dual import Bound, best, multipliers
from recloop.compose.objectives.exposure import exposure, of_slates
from recloop.errors import SettingError


def world(n: int = 400, m: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, m))
    new = (rng.random((n, m)) < 0.2).astype(float)
    money = np.exp(rng.normal(size=(n, m))) * (0.2 + 0.8 * new)
    return scores - 0.8 * new, new, money


def test_exposure_is_that_of_dcg() -> None:
    weights = 1 / np.log2([2, 3, 4])
    assert exposure(3).tolist() == pytest.approx((weights / weights.sum()).tolist())
    values = np.array([[5.0, 1.0, np.nan]])
    assert of_slates(values, np.array([[0, 1]]))[0] == pytest.approx((5 * weights[0] + weights[1]) / weights[:2].sum())
    assert of_slates(values, np.array([[0, -1]]))[0] == 5.0  # what is not shown has no exposure
    assert of_slates(values, np.array([[-1, -1]]))[0] == 0.0


def test_a_bound_that_holds_costs_nothing() -> None:
    scores, new, _ = world()
    free = of_slates(new, best(scores, 5)).mean()
    found = multipliers(scores, [Bound("new", new, free - 0.01)], 5)
    assert found.values == (0.0,)
    assert found.reached == (pytest.approx(free),)


def test_bounds_are_met_at_nearly_the_least_cost_there_is() -> None:
    """Against the linear program over one place a request, whose optimum no rule can beat."""
    scores, new, money = world(n=60, m=6)
    floor_new, floor_money = 0.5, 1.1
    n, m = scores.shape
    answer = linprog(
        -scores.ravel() / n,
        A_ub=np.stack([-new.ravel() / n, -money.ravel() / n]),
        b_ub=[-floor_new, -floor_money],
        A_eq=np.kron(np.eye(n), np.ones(m)),
        b_eq=np.ones(n),
        bounds=(0, 1),
    )
    bounds = [Bound("new", new, floor_new), Bound("money", money, floor_money)]
    found = multipliers(scores, bounds, 1)
    assert found.reached[0] >= floor_new - 1e-12
    assert found.reached[1] >= floor_money - 1e-12
    places = best(scores + found.values[0] * new + found.values[1] * money, 1)
    reached = of_slates(scores, places).mean()
    span = np.ptp(scores) / n
    assert -answer.fun - 3 * span <= reached <= -answer.fun + 1e-9  # slates are whole: at most a few requests' worth
    assert found.values == pytest.approx(-answer.ineqlin.marginals, abs=0.15)


def test_each_multiplier_is_needed() -> None:
    scores, new, money = world()
    bounds = [Bound("new", new, 0.3), Bound("money", money, 1.0)]
    found = multipliers(scores, bounds, 4)
    for place, bound in enumerate(bounds):
        if found.values[place] > 0:
            less = list(found.values)
            less[place] *= 0.9
            shown = best(scores + less[0] * new + less[1] * money, 4)
            assert of_slates(bound.gain, shown).mean() < bound.least


def test_it_holds_in_expectation_not_on_every_slate() -> None:
    scores, new, _ = world()
    found = multipliers(scores, [Bound("new", new, 0.4)], 3)
    shares = of_slates(new, best(scores + found.values[0] * new, 3))
    assert 0.4 <= shares.mean() < 0.41
    assert (shares == 0).any()
    assert (shares > 0.4).any()


def test_what_cannot_be_reached_is_named_with_what_can() -> None:
    scores, new, money = world(n=50)
    top = of_slates(new, best(new, 3)).mean()
    with pytest.raises(
        SettingError, match=rf"'new at least 99%' cannot be met; among these candidates {top:.4g} is the"
    ):
        multipliers(scores, [Bound("new at least 99%", new, top + 0.01)], 3)
    rich = of_slates(money, best(money, 3)).mean()
    either = [Bound("old", 1 - new, 0.95), Bound("money", money, 0.98 * rich)]
    with pytest.raises(SettingError, match=r"cannot be met together with: (old|money); among these candidates"):
        multipliers(scores, either, 3)


def test_slates_made_in_another_way_still_keep_the_bound() -> None:
    """Where something comes after the scores (here: the last place is always the worst candidate)."""
    scores, new, _ = world()

    def show(combined: np.ndarray) -> np.ndarray:
        places = best(combined, 3)
        places[:, 2] = combined.argmin(axis=1)
        return places

    found = multipliers(scores, [Bound("new", new, 0.3)], 3, show)
    assert of_slates(new, show(scores + found.values[0] * new)).mean() >= 0.3


def test_best_pads_what_is_not_there() -> None:
    assert best(np.array([[1.0, -np.inf, 1.0]]), 4).tolist() == [[0, 2, -1, -1]]
