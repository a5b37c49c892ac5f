import numpy as np
import pytest

from recloop.errors import SettingError
from recloop.simulate import Memory, World, Worth


def slates_for(users: np.ndarray, seed: int = 1, k: int = 8) -> np.ndarray:
    """The same slate for the same user, whichever batch it comes in."""
    return np.stack([np.random.default_rng([seed, int(u)]).permutation(400)[:k] for u in users])


@pytest.mark.parametrize("lived", [False, True])
def test_truth_is_what_sampling_finds(world: World, lived: bool) -> None:
    rng = np.random.default_rng(1)
    users = np.arange(600)
    slates = slates_for(users)
    memory = Memory.fresh(600) if lived else None
    if memory is not None:
        memory.show(users, slates[:, ::2])
        memory.buy(users, slates[:, 1:2])
    worth = world.truth.worth(users, slates, memory)
    n = 150
    found: dict[str, list[float]] = {name: [] for name in Worth._fields}
    for _ in range(n):
        r = world.respond(users, slates, rng, memory=memory)
        found["slate_ctr"].append(r.clicks.any(axis=1).mean())
        found["ctr"].append(r.clicks.mean())
        found["purchases_per_slate"].append(r.purchases.sum(axis=1).mean())
        found["revenue_per_slate"].append((r.purchases * world.catalogue.price[slates]).sum(axis=1).mean())
    for name, values in found.items():
        error = np.std(values) / np.sqrt(n)
        assert abs(np.mean(values) - getattr(worth, name).mean()) < 4 * error, name


def test_the_value_weighs_users_by_how_often_they_come(world: World) -> None:
    worth = world.truth.worth(np.arange(600), slates_for(np.arange(600)))
    weights = world.population.activity
    for name in Worth._fields:
        expected = (getattr(worth, name) * weights).sum() / weights.sum()
        assert world.true_value(slates_for, name) == pytest.approx(expected)


def test_lift_is_relative(world: World) -> None:
    def best(users: np.ndarray) -> np.ndarray:
        return np.argsort(-(world.population.tastes[users] @ world.catalogue.vectors.T), axis=1)[:, :8]

    lift = world.true_lift(best, slates_for)
    assert lift == pytest.approx(world.true_value(best) / world.true_value(slates_for) - 1)
    assert lift > 1
    assert world.true_lift(best, best) == 0
    assert np.isnan(world.true_lift(best, lambda users: np.full((len(users), 8), -1)))


def test_a_better_order_is_worth_more(world: World) -> None:
    users = np.arange(600)
    order = np.argsort(-(world.population.tastes @ world.catalogue.vectors.T), axis=1)[:, :8]
    plain = world.expected_click_rate(users, order).mean()
    assert plain > world.expected_click_rate(users, order[:, ::-1]).mean()
    assert plain > world.expected_click_rate(users, order[:, :4]).mean()


def test_an_unknown_metric_offers_the_nearest(world: World) -> None:
    with pytest.raises(SettingError, match=r"the world knows no true 'slate_crt'\. Did you mean 'slate_ctr'"):
        world.true_value(slates_for, "slate_crt")
