"""The small world with a known optimum."""

import numpy as np
import pytest

from recloop.simulate.temptation import GRID, Temptation


def test_without_memory_the_values_have_a_closed_form() -> None:
    """Where nothing moves x, a life is geometric: clicks = P(click) / P(leave)."""
    world = Temptation(memory=1e-12, leave=(0.1, 0.1))
    sweet, good = world.chances(world.k)
    assert good == 0
    assert world.value(world.myopic) == pytest.approx(sweet / 0.1, rel=1e-6)
    assert world.optimum == pytest.approx(sweet / 0.1, rel=1e-6)
    assert (world.best == world.k).all()  # without harm the tempting items are best


def test_the_optimum_is_above_every_constant_policy() -> None:
    world = Temptation(tempting=1.0, leave=(0.08, 0.05))
    constant = [world.value(np.full(GRID, count)) for count in range(world.k + 1)]
    assert world.optimum >= max(constant) - 1e-6
    assert world.value(world.best) == pytest.approx(world.optimum)
    assert Temptation().value(Temptation().myopic) / Temptation().optimum == pytest.approx(0.229, abs=0.001)


def test_lives_are_as_the_dynamic_programme_says() -> None:
    world = Temptation()
    data = world.log(300, np.random.default_rng(0))
    assert data.slates is not None
    assert data.n_events == data.slates.clicks.sum()
    from recloop.strategies.popular import Popular

    clicks, _ = world.play(Popular().fit(data), 3000, np.random.default_rng(1))
    error = clicks.std() / np.sqrt(len(clicks))
    assert abs(clicks.mean() - world.value(world.myopic)) < 4 * error
