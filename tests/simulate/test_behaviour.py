from dataclasses import replace

import numpy as np
import pytest

from recloop.simulate import Memory, Traits, World
from recloop.simulate.behaviour import draws
from recloop.simulate.population import DEVICES


def random_slates(n: int, items: int, k: int, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(rng.random((n, items)), axis=1)[:, :k]


def best_slates(world: World, users: np.ndarray, k: int, *, worst: bool = False) -> np.ndarray:
    liking = world.population.tastes[users] @ world.catalogue.vectors.T
    return np.argsort(liking if worst else -liking, axis=1)[:, :k]


@pytest.mark.parametrize("device", range(len(DEVICES)))
def test_the_position_bias_is_that_of_the_traits(world: World, device: int) -> None:
    rng = np.random.default_rng(1)
    mine = np.flatnonzero(world.population.device == device)
    users = np.repeat(mine, 60_000 // len(mine))
    # without the slate above, places differ by attention alone
    plain = World(seed=3, users=600, items=400, days=40, traits=Traits(redundancy=0.0, base=-1.0))
    slates = random_slates(len(users), 400, 6, rng)
    rate = plain.respond(users, slates, rng).clicks.mean(axis=0)
    decay = -np.polyfit(np.log(1 + np.arange(6)), np.log(rate), 1)[0]
    assert decay == pytest.approx(plain.behaviour.traits.decay[device], abs=0.06)


def test_reactions_have_the_chances_that_they_claim(world: World) -> None:
    rng = np.random.default_rng(2)
    users, slates = np.arange(600), random_slates(600, 400, 5, rng)
    chances = world.behaviour.chances(users, slates)
    rounds = [world.respond(users, slates, rng) for _ in range(120)]
    clicks = np.mean([r.clicks for r in rounds], axis=0)
    error = np.sqrt((chances.click * (1 - chances.click)).sum() / 120)
    assert abs(clicks.sum() - chances.click.sum()) < 4 * error
    bought = sum(r.purchases.sum() for r in rounds) / sum(r.clicks.sum() for r in rounds)
    expected = (chances.click * chances.buy).sum() / chances.click.sum()
    assert bought == pytest.approx(expected, rel=0.1)


def test_one_thing_follows_from_another(world: World) -> None:
    rng = np.random.default_rng(3)
    users = np.tile(np.arange(600), 20)
    r = world.respond(users, best_slates(world, users, 10), rng)
    assert not (r.purchases & ~r.clicks).any()
    assert not (~np.isnan(r.ratings) & ~r.purchases).any()
    assert set(np.unique(r.ratings[~np.isnan(r.ratings)])) <= {1, 2, 3, 4, 5}
    assert len(np.unique(r.ratings[~np.isnan(r.ratings)])) >= 4
    assert (r.abandoned <= r.left).all()
    assert not (r.abandoned & r.clicks.any(axis=1)).any()
    assert (r.churned <= r.left).all()
    assert np.isfinite(r.satisfaction).all()
    assert ((r.satisfaction >= 0) & (r.satisfaction <= 1)).all()
    assert ((r.comments != "") == (r.aspect >= 0)).all()
    assert (r.sentiment[r.aspect < 0] == 0).all()


def test_ratings_follow_quality_and_price(world: World) -> None:
    rng = np.random.default_rng(4)
    users = np.tile(np.arange(600), 60)
    slates = best_slates(world, users, 10)
    r = world.respond(users, slates, rng)
    rated = ~np.isnan(r.ratings)
    assert np.corrcoef(r.ratings[rated], world.catalogue.quality[slates[rated]])[0, 1] > 0.2
    chances = world.behaviour.chances(users, slates)
    assert np.corrcoef(r.ratings[rated], chances.worth[rated])[0, 1] > 0.5


def test_the_thrifty_buy_what_is_cheap(world: World) -> None:
    thrift = world.population.thrift
    users = np.argsort(thrift)[[0, -1]]
    dear, cheap = np.argmax(world.catalogue.expensive), np.argmin(world.catalogue.expensive)
    chances = world.behaviour.chances(users, np.array([[dear], [cheap]]).T.repeat(2, axis=0))
    affinity = world.behaviour.affinity(users, np.array([[dear, cheap]] * 2))
    put_off = (chances.relevance - world.behaviour.traits.taste * affinity)[:, 0]
    assert put_off[1] < put_off[0]


def test_bad_slates_make_users_leave(world: World) -> None:
    gone = {}
    for worst in (False, True):
        memory, rng = Memory.fresh(600), np.random.default_rng(5)
        for _ in range(30):
            users = np.flatnonzero(~memory.gone)
            slates = best_slates(world, users, 10, worst=worst)
            world.behaviour.remember(users, slates, world.respond(users, slates, rng, memory=memory), memory)
        gone[worst] = memory.gone.mean()
    assert gone[True] > 0.2 > 3 * gone[False]


def test_seeing_the_same_again_tires(world: World) -> None:
    users = np.arange(600)
    slates = best_slates(world, users, 10)
    memory = Memory.fresh(600)
    first = world.expected_click_rate(users, slates, memory=memory)
    for _ in range(3):
        memory.show(users, slates)
    again = world.expected_click_rate(users, slates, memory=memory)
    assert (again < first).all()
    luck = draws(600, 10, np.random.default_rng(6))
    fresh, tired = (world.behaviour.react(users, slates, luck, m) for m in (Memory.fresh(600), memory))
    assert tired.satisfaction.mean() < fresh.satisfaction.mean() - 0.02
    memory.buy(users, slates)
    owned = world.expected_click_rate(users, slates, memory=memory)
    assert (owned < again).all()
    assert owned.mean() < 0.5 * again.mean()


def test_likes_of_what_stands_above_lose(world: World) -> None:
    category = world.catalogue.attributes["category"]
    twin = int(np.argmax(np.bincount(category)))
    alike = np.flatnonzero(category == twin)[:5]
    others = np.array([np.flatnonzero(category == c)[0] for c in range(30) if c != twin and (category == c).any()])[:4]
    users = np.arange(600)
    same = world.behaviour.chances(users, np.tile(alike, (600, 1)))
    mixed = world.behaviour.chances(users, np.tile([*others, alike[4]], (600, 1)))
    assert (same.attraction[:, 4] < mixed.attraction[:, 4]).all()
    assert (same.likeness[:, 0] == 0).all()


def test_comments_say_what_was_lived_through(world: World) -> None:
    rng = np.random.default_rng(7)
    users = np.tile(np.arange(600), 30)
    liked = world.respond(users, best_slates(world, users, 10), rng)
    hated = world.respond(users, best_slates(world, users, 10, worst=True), rng)
    assert liked.sentiment[liked.aspect >= 0].mean() > 0.7
    assert hated.sentiment[hated.aspect == 0].max() <= 0
    assert hated.sentiment[hated.aspect >= 0].mean() < -0.3
    assert len(set(liked.comments[liked.aspect >= 0])) > 100
    memory = Memory.fresh(600)
    slates = best_slates(world, np.arange(600), 10)
    for _ in range(5):
        memory.show(np.arange(600), slates)
    bored = [world.respond(np.arange(600), slates, rng, memory=memory) for _ in range(10)]
    about = np.concatenate([r.aspect for r in bored])
    tone = np.concatenate([r.sentiment for r in bored])
    assert (tone[about == 1] < 0).all()
    assert (about == 1).sum() > 20


def test_equal_luck_gives_equal_reactions(world: World) -> None:
    users = np.arange(600)
    slates = random_slates(600, 400, 10, np.random.default_rng(8))
    luck = draws(600, 10, np.random.default_rng(9))
    whole = world.behaviour.react(users, slates, luck)
    part = world.behaviour.react(users[100:200], slates[100:200], luck[100:200])
    for name, values in whole._asdict().items():
        np.testing.assert_array_equal(values[100:200], getattr(part, name), err_msg=name)


def test_empty_places_and_empty_slates(world: World) -> None:
    users = np.arange(3)
    slates = np.array([[-1, -1, -1], [4, -1, -1], [4, 5, 6]])
    r = world.respond(users, slates, np.random.default_rng(1))
    assert not r.clicks[0].any()
    assert not r.clicks[1, 1:].any()
    assert r.satisfaction[0] < 0.1
    assert r.comments[0] == ""
    assert world.expected_click_rate(users, slates)[0] == 0
    none = world.respond(np.empty(0, np.int64), np.empty((0, 5), np.int64), np.random.default_rng(1))
    assert none.clicks.shape == (0, 5)


def test_traits_are_what_behaviour_follows(world: World) -> None:
    eager = World(seed=3, users=600, items=400, days=40, traits=replace(Traits(), base=-2.0))
    users, slates = np.arange(600), random_slates(600, 400, 10, np.random.default_rng(2))
    assert eager.expected_click_rate(users, slates).mean() > 2 * world.expected_click_rate(users, slates).mean()
