"""The step and its false alarm rate, the shapes, the mix: against published numbers, by hand, by simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from recloop.experience.problems.contrast import Arms, Step
from recloop.experience.problems.explain import surprise
from recloop.experience.problems.scan import overdispersion
from recloop.experience.problems.shape import shape


@pytest.mark.parametrize(("statistic", "level"), [(7.12, 0.10), (8.68, 0.05), (12.16, 0.01)])
def test_the_tail_agrees_with_published_critical_values(statistic: float, level: float) -> None:
    """D. Andrews, "Tests for parameter instability ...: a corrigendum", Econometrica 71 (2003), table 1, p = 1, 15%."""
    step = Step(100, np.zeros(100, np.int64), before=15, after=15)
    assert 2 * np.exp(step.log_p(np.array([statistic**0.5]), np.array([50])))[0] == pytest.approx(level, rel=0.15)


def test_a_search_over_days_raises_few_false_alarms() -> None:
    rng = np.random.default_rng(3)
    step = Step(28, np.arange(28) % 7, before=5, after=2)
    season = 5 * np.sin(np.arange(28) % 7)
    precision = rng.uniform(0.5, 2, (4000, 28))
    fit = step.fit(season + rng.normal(size=(4000, 28)) / np.sqrt(precision), precision, worse=-1)
    z = -fit.value * np.sqrt(fit.precision)
    assert 0.02 < (step.log_p(z, fit.at) < np.log(0.05)).mean() < 0.06
    assert 0.003 < (step.log_p(z, fit.at) < np.log(0.01)).mean() < 0.013
    # without the allowance for the search a nominal 5% would be far more
    assert (norm.sf(z) < 0.05).mean() > 0.2


def test_days_on_which_something_began_cost_the_other_days_half_and_raise_no_more_false_alarms() -> None:
    rng = np.random.default_rng(4)
    plain = Step(28, np.arange(28) % 7, before=5, after=2)
    told = Step(28, np.arange(28) % 7, before=5, after=2, known=(0, 9, 18))
    fit = told.fit(rng.normal(size=(4000, 28)), np.ones((4000, 28)), worse=-1)
    z = -fit.value * np.sqrt(fit.precision)
    assert 0.02 < (told.log_p(z, fit.at) < np.log(0.05)).mean() < 0.06
    z, there, elsewhere = np.array([4.5]), np.array([18]), np.array([19])
    # of the three days two can be told (0 has nothing before it): two tests, and half of the error
    assert told.log_p(z, there)[0] == pytest.approx(norm.logsf(4.5) + np.log(4))
    assert told.log_p(z, elsewhere)[0] == pytest.approx(plain.log_p(z, elsewhere)[0] + np.log(2))
    assert told.log_p(z, there)[0] < plain.log_p(z, there)[0] - 1.5


def test_a_day_on_which_something_began_is_taken_where_it_is_as_likely() -> None:
    step = Step(28, np.arange(28) % 7, before=5, after=2, known=(18,))
    values = np.where(np.arange(28) < 18, 1.0, 0.5)
    values[17] = 0.7  # by chance: the day before fits a little better
    assert Step(28, step.weekday, 5, 2).fit(values[None], np.full((1, 28), 30.0), worse=-1).at[0] == 17
    assert step.fit(values[None], np.full((1, 28), 30.0), worse=-1).at[0] == 18
    far = np.where(np.arange(28) < 9, 1.0, 0.5)
    assert step.fit(far[None], np.full((1, 28), 30.0), worse=-1).at[0] == 9


def test_the_step_is_the_one_of_least_squares() -> None:
    rng = np.random.default_rng(5)
    days, weekday = 28, (np.arange(28) + 2) % 7
    values, precision = rng.normal(size=days) - 3 * (np.arange(days) >= 12), rng.uniform(0.5, 3, days)
    fit = Step(days, weekday, before=5, after=2).fit(values[None], precision[None], worse=-1)
    design = np.column_stack([np.eye(7)[weekday], np.arange(days) >= fit.at[0]])
    root = np.sqrt(precision)
    beta, rest, *_ = np.linalg.lstsq(design * root[:, None], values * root, rcond=None)
    assert fit.value[0] == pytest.approx(beta[-1])
    assert fit.rest[0] == pytest.approx(rest[0])
    assert fit.free == 28 - 8
    assert fit.weights[0] @ values == pytest.approx(beta[-1])
    assert fit.weights[0].sum() == pytest.approx(0, abs=1e-12)
    assert 1 / fit.precision[0] == pytest.approx(np.linalg.inv(design.T @ (design * precision[:, None]))[-1, -1])


def test_a_week_and_a_half_has_no_weekdays() -> None:
    step = Step(10, np.arange(10) % 7, before=5, after=2)
    assert step.groups().shape == (10, 1)
    assert step.candidates.tolist() == [5, 6, 7, 8]


def test_an_improvement_is_not_searched_for() -> None:
    step = Step(28, np.arange(28) % 7, before=5, after=2)
    values = np.where(np.arange(28) < 14, 1.0, 2.0)[None]
    assert step.fit(values, np.ones((1, 28)), worse=-1).value[0] > -0.2
    assert step.fit(values, np.ones((1, 28)), worse=1).value[0] == pytest.approx(1.0)


def test_arms_are_a_difference() -> None:
    fit = Arms().fit(np.array([[0.2, 0.3], [0.2, 0.0]]), np.array([[4.0, 4.0], [4.0, 0.0]]), worse=-1)
    assert fit.value.tolist() == pytest.approx([0.1, 0.0])
    assert fit.precision.tolist() == [2.0, 0.0]
    assert Arms().log_p(np.array([1.959964]), np.array([1]))[0] == pytest.approx(np.log(0.025), abs=1e-6)


@pytest.mark.parametrize(("what", "at"), [("step", 16), ("novelty", 14), ("trend", 16)])
def test_shapes_are_told_apart_in_noise(what: str, at: int) -> None:
    rng = np.random.default_rng(8)
    day = np.arange(28)
    truth = {"step": -0.2 * (day >= at), "novelty": 0.5 * (day >= 6) * 0.5 ** ((day - 6.0) / 3), "trend": -0.02 * day}
    step = Step(28, day % 7, before=5, after=2)
    precision = np.full(28, 1 / 0.03**2)
    seen = [shape(step, truth[what] + rng.normal(0, 0.03, 28), precision, at, -1) for _ in range(40)]
    assert seen.count(what) >= 36


def test_small_pieces() -> None:
    assert surprise(0.0, 0.0) == 0.0
    assert surprise(0.3, 0.1) == pytest.approx(surprise(0.1, 0.3))
    assert overdispersion(5.0, 0) == 1.0
