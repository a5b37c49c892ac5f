import numpy as np
import polars as pl
import pytest

from recloop.errors import SettingError
from recloop.simulate import World
from recloop.simulate.log import search
from recloop.simulate.visits import rounds, visits
from recloop.strategies.base import Strategy
from recloop.strategies.ease import Ease
from recloop.strategies.ials import IALS
from recloop.strategies.popular import Popular


def test_a_seed_fixes_everything(world: World) -> None:
    again = World(seed=3, users=600, items=400, days=40)
    assert again.items.equals(world.items)
    assert again.users.equals(world.users)
    assert again.log().equals(world.log())
    other = World(seed=4, users=600, items=400, days=40)
    assert not other.items["title"].equals(world.items["title"])
    assert not other.log().equals(world.log())


def test_the_log_does_not_change_the_world() -> None:
    short, long = World(seed=1, users=80, items=60, days=5), World(seed=1, users=80, items=60, days=5)
    long.log(20)
    assert short.items.equals(long.items)
    np.testing.assert_array_equal(short.population.tastes, long.population.tastes)
    assert not short.log(rng=np.random.default_rng(8)).equals(short.log())
    assert short.log().equals(long.log())


def test_the_log_is_one_that_recloop_reads(world: World) -> None:
    log = world.log()
    assert log.columns == ["user", "item", "kind", "value", "time"]
    assert set(log["kind"].unique()) == {"view", "click", "purchase", "rating"}
    assert log["time"].is_sorted()
    assert log["time"].is_between(world.start, world.end).all()
    assert log.filter(pl.col("kind") == "rating")["value"].is_between(1, 5).all()
    assert (
        log.filter(pl.col("kind").is_in(["view", "click"]))["value"].null_count()
        == log["kind"].is_in(["view", "click"]).sum()
    )
    paid = log.filter(pl.col("kind") == "purchase").join(world.items, on="item")
    assert (paid["value"] == paid["price"]).all()
    shop = world.dataset()
    assert shop.item_ids.ids == tuple(world.items["item"])
    assert shop.user_ids.ids == tuple(world.users["user"])
    assert shop.n_events == log.height


def test_nobody_acts_before_joining_or_on_what_is_not_there(world: World) -> None:
    log = world.log().join(world.items.select("item", "arrived"), on="item").join(world.users, on="user")
    assert (log["time"] >= log["joined"]).all()
    assert (log["time"] >= log["arrived"]).all()


def test_who_left_does_not_come_back(world: World) -> None:
    gone = world.users["user"].filter(pl.Series(world.past.memory.gone))
    assert 0.02 < len(gone) / 600 < 0.5
    last = world.log().group_by("user").agg(pl.col("time").max())
    left = last.filter(pl.col("user").is_in(gone.implode()))["time"].mean()
    stayed = last.filter(~pl.col("user").is_in(gone.implode()))["time"].mean()
    assert left < stayed - 3 * 86_400


def test_users_search_for_what_they_like(world: World) -> None:
    users = np.repeat(np.arange(600), 20)
    found = search(world.behaviour, users, np.random.default_rng(1).random(len(users)))
    affinity = np.einsum("nd,nd->n", world.population.tastes[users], world.catalogue.vectors[found])
    assert affinity.mean() > 0.8
    one = search(world.behaviour, np.array([5, 5]), np.array([0.3, 0.3]))
    assert one[0] == one[1]


def test_rounds_hold_each_user_once() -> None:
    users = np.random.default_rng(2).integers(0, 50, size=400)
    parts = rounds(users)
    assert sorted(np.concatenate(parts).tolist()) == list(range(400))
    assert all(len(np.unique(users[part])) == len(part) for part in parts)
    assert rounds(np.empty(0, np.int64)) == []


def test_visits_have_the_rhythm_of_their_users(world: World) -> None:
    plan = visits(world.population, world.start, 28, np.random.default_rng(3))
    assert (np.diff(plan.time) >= 0).all()
    here = world.users["joined"].to_numpy() < world.start
    each = np.bincount(plan.user, minlength=600)[here]
    assert np.corrcoef(each, world.population.activity[here])[0, 1] > 0.7
    counted = np.bincount(plan.day % 7, minlength=7)
    assert counted[5:].mean() > counted[:5].mean()  # the world begins on a Monday
    by_user = np.lexsort((plan.time, plan.user))
    gaps, same = np.diff(plan.time[by_user]), np.diff(plan.user[by_user]) == 0
    assert gaps[same].min() >= 1800
    for user in (1, 2, 3):
        assert plan.nth[plan.user == user].tolist() == list(range(int((plan.user == user).sum())))


def test_collaborative_strategies_learn_from_the_log() -> None:
    world = World(seed=2, users=800, items=400, days=60)
    shop = world.dataset()
    histories = shop.histories()

    def value_of(strategy: Strategy) -> float:
        strategy.fit(shop)
        return world.true_value(lambda users: strategy.rank(histories.take(users), 10).items, memory=world.past.memory)

    value = {strategy.name: value_of(strategy) for strategy in (Popular(), Ease(reg=200), IALS(factors=16))}
    rng = np.random.default_rng(1)
    value["random"] = world.true_value(lambda users: rng.random((len(users), 400)).argsort(axis=1)[:, :10])
    assert value["popular"] > 1.2 * value["random"]
    assert value["ease"] > 1.2 * value["popular"]
    assert value["ials"] > 1.1 * value["popular"]
    assert value["random"] > 0.08
    assert value["ease"] < 0.6


@pytest.mark.parametrize(("users", "items", "days"), [(1, 1, 1), (1, 30, 3), (30, 1, 3), (3, 3, 60)])
def test_small_worlds_work(users: int, items: int, days: int) -> None:
    world = World(seed=5, users=users, items=items, days=days)
    log = world.log()
    assert log.columns == ["user", "item", "kind", "value", "time"]
    slates = np.full((users, 3), -1)
    slates[:, 0] = 0
    assert np.isfinite(world.expected_click_rate(np.arange(users), slates)).all()
    assert np.isfinite(world.true_value(lambda u: slates[u]))
    assert np.isfinite(world.population.tastes).all()


@pytest.mark.parametrize("what", ["users", "items", "days"])
def test_a_world_of_nothing_is_refused(what: str) -> None:
    with pytest.raises(SettingError, match=f"the world has 0 {what}. {what} must be at least 1"):
        World(**{what: 0})


def test_a_log_of_no_days_is_refused(world: World) -> None:
    with pytest.raises(SettingError, match="the log has 0 days"):
        world.log(0)
