"""Click models: known numbers, parameters that come back from simulated logs, and errors that say the way out."""

import numpy as np
import pytest

from recloop.data.slates import SlateLog
from recloop.errors import DataError, SettingError
from recloop.simulate.clicks import (
    Cascade,
    ClickModel,
    DynamicBayesian,
    Estimate,
    PositionBased,
    best_model,
    curve,
    fit_cascade,
    fit_dynamic_bayesian,
    fit_position_based,
    harvest,
    perplexity,
)

ITEMS, K = 12, 6
RNG = np.random.default_rng(5)
ATTRACTION = RNG.uniform(0.05, 0.5, ITEMS)
SATISFIES = RNG.uniform(0.2, 0.8, ITEMS)
LOOK = (1.0, 0.7, 0.5, 0.4, 0.3, 0.2)


def shown(n: int, seed: int = 0) -> np.ndarray:
    """Slates in random order."""
    return np.argsort(np.random.default_rng(seed).random((n, ITEMS)), axis=1)[:, :K].astype(np.int32)


def logged(items: np.ndarray, clicks: np.ndarray) -> SlateLog:
    n = len(items)
    return SlateLog(np.zeros(n, np.int32), np.arange(n, dtype=float), items, clicks, clicks.astype(np.float32))


def simulated(model: ClickModel, n: int, seed: int = 0) -> SlateLog:
    items = shown(n, seed)
    luck = np.random.default_rng(seed + 1).random((n, 3 * K))
    return logged(items, model.draw(items, ATTRACTION[items], luck))


MODELS = [PositionBased(LOOK), Cascade(), DynamicBayesian(0.8, SATISFIES)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_draws_have_the_chances_that_the_model_says(model: ClickModel) -> None:
    n = 60_000
    items = np.tile(np.array([3, 1, 4, 0, 5, -1], np.int32), (n, 1))
    pull = np.where(items >= 0, ATTRACTION[items], 0.0)
    clicks = model.draw(items, pull, np.random.default_rng(2).random((n, 3 * K)))
    chance = model.chances(items[:1], pull[:1])[0]
    assert chance[-1] == 0
    assert not clicks[:, -1].any()
    assert np.abs(clicks.mean(axis=0) - chance).max() < 4 * np.sqrt(0.25 / n)
    # the chances given what was clicked above have the chances as their mean
    assert np.abs(model.given(items, pull, clicks).mean(axis=0) - chance).max() < 0.01


def test_known_numbers_of_two_places() -> None:
    items, pull = np.array([[0, 1]]), np.array([[0.5, 0.4]])
    np.testing.assert_allclose(PositionBased((1.0, 0.5)).chances(items, pull), [[0.5, 0.2]])
    np.testing.assert_allclose(Cascade().chances(items, pull), [[0.5, 0.5 * 0.4]])
    dynamic = DynamicBayesian(0.9, np.array([0.3, 0.0]))
    # goes on with .9 unless satisfied, which is .5 x .3
    np.testing.assert_allclose(dynamic.chances(items, pull), [[0.5, 0.9 * (1 - 0.15) * 0.4]])
    np.testing.assert_allclose(dynamic.given(items, pull, np.array([[True, False]])), [[0.5, 0.9 * 0.7 * 0.4]])
    assert PositionBased((1.0, 0.5)).chances(np.zeros((1, 3), int), np.ones((1, 3))).tolist() == [[1.0, 0.5, 0.5]]


def test_the_position_based_model_comes_back() -> None:
    log = simulated(PositionBased(LOOK), 20_000)
    found = fit_position_based(log, ITEMS)
    assert isinstance(found.model, PositionBased)
    assert np.abs(np.array(found.model.look) - LOOK).max() < 0.03
    assert np.abs(found.attraction - ATTRACTION).max() < 0.03
    assert np.abs(np.array(harvest(log, ITEMS).look) - LOOK).max() < 0.04


def test_expectation_maximisation_is_not_fooled_by_a_policy_that_puts_the_best_on_top() -> None:
    """Clicks by place alone say that place 6 is looked at less than it is: what stands there attracts less."""
    rng = np.random.default_rng(8)
    items = np.argsort(-(ATTRACTION + 0.15 * rng.standard_normal((20_000, ITEMS))), axis=1)[:, :K].astype(np.int32)
    clicks = PositionBased(LOOK).draw(items, ATTRACTION[items], rng.random((len(items), 3 * K)))
    log = logged(items, clicks)
    naive = curve(log) / curve(log)[0]
    found = fit_position_based(log, ITEMS).model
    assert isinstance(found, PositionBased)
    assert np.abs(naive - LOOK).max() > 0.08
    assert np.abs(np.array(found.look) - LOOK).max() < 0.04


def test_the_cascade_comes_back() -> None:
    found = fit_cascade(simulated(Cascade(), 20_000), ITEMS)
    assert np.abs(found.attraction - ATTRACTION).max() < 0.03


def test_the_dynamic_bayesian_model_comes_back() -> None:
    found = fit_dynamic_bayesian(simulated(DynamicBayesian(0.8, SATISFIES), 20_000), ITEMS)
    assert isinstance(found.model, DynamicBayesian)
    assert abs(found.model.continuation - 0.8) < 0.03
    assert np.abs(found.attraction - ATTRACTION).max() < 0.03
    assert np.abs(found.model.satisfies - SATISFIES).max() < 0.12
    one = fit_dynamic_bayesian(simulated(DynamicBayesian(0.8, np.array([0.4])), 8_000), ITEMS, per_item=False)
    assert isinstance(one.model, DynamicBayesian)
    assert abs(one.model.satisfies[0] - 0.4) < 0.05


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_model_that_made_the_log_foretells_it_best(model: ClickModel) -> None:
    judged = best_model(simulated(model, 6_000, seed=3), ITEMS, np.random.default_rng(1))
    # a dynamic model whose every click satisfies is a cascade, so it may tie with one
    allowed = {model.name, "dynamic-bayesian"} if model.name == "cascade" else {model.name}
    assert judged.best.model.name in allowed
    assert set(judged.means) == {"position-based", "cascade", "dynamic-bayesian"}


def test_perplexity_of_the_truth_is_that_of_its_entropy() -> None:
    log = simulated(PositionBased((1.0,) * K), 30_000)
    half = Estimate(PositionBased((1.0,) * K), np.full(ITEMS, 0.5))
    np.testing.assert_allclose(perplexity(half, log), 2.0)
    truth = perplexity(Estimate(PositionBased((1.0,) * K), ATTRACTION), log)
    entropy = -(ATTRACTION * np.log2(ATTRACTION) + (1 - ATTRACTION) * np.log2(1 - ATTRACTION)).mean()
    np.testing.assert_allclose(truth, 2**entropy, rtol=0.02)
    empty = logged(np.full((2, 2), -1, np.int32), np.zeros((2, 2), bool))
    assert np.isnan(perplexity(half, empty)).all()


def test_what_cannot_be_told_is_said() -> None:
    fixed = np.tile(np.arange(K, dtype=np.int32), (50, 1))
    with pytest.raises(DataError, match=r"always shown at the same place.*shuffle a share"):
        fit_position_based(logged(fixed, np.ones((50, K), bool)), ITEMS)
    with pytest.raises(DataError, match="both at place 1 and at place 2"):
        harvest(logged(fixed, np.ones((50, K), bool)), ITEMS)
    silent = logged(shown(50), np.zeros((50, K), bool))
    for fit in (fit_position_based, fit_cascade, fit_dynamic_bayesian):
        with pytest.raises(DataError, match="none of the 50 slates of the log was clicked"):
            fit(silent, ITEMS)
    with pytest.raises(DataError, match="no click model can be fitted"):
        best_model(silent, ITEMS, np.random.default_rng(0))
    with pytest.raises(SettingError, match="probabilities, at least one"):
        PositionBased((1.5,))
    with pytest.raises(SettingError, match="between 0 and 1"):
        DynamicBayesian(0.5, np.array([2.0]))
