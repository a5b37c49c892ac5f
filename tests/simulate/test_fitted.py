"""A simulator fitted to a log: what it learns, what it assumes, and policies that meet the same users."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from recloop.compose import SlateConfig, build
from recloop.data.dataset import Dataset
from recloop.data.slates import SlateLog
from recloop.data.vocabulary import Vocabulary
from recloop.errors import DataError, SettingError
from recloop.simulate.clicks import PositionBased
from recloop.simulate.client import Body
from recloop.simulate.fitted import (
    FittedWorld,
    InProcess,
    Nothing,
    OverHttp,
    Simulate,
    compare,
    fidelity,
    fit_world,
    run_policy,
)
from recloop.simulate.fitted.activity import fit_activity
from recloop.simulate.fitted.crowd import age, gather
from recloop.simulate.fitted.recent import Recent
from recloop.strategies import make
from recloop.testing.strategy import small_shop


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return small_shop(users=400, items=40, length=10)


@pytest.fixture(scope="module")
def world(shop: Dataset) -> FittedWorld:
    return fit_world(shop, Simulate(factors=8, visits=1.0, leave=0.02), rng=np.random.default_rng(0))


def server(shop: Dataset, name: str) -> InProcess:
    strategy = make(name).fit(shop)
    return InProcess(build(SlateConfig(sources=[name], fallback=""), {name: strategy}), shop.item_ids)


def test_preferences_foretell_held_out_events_better_than_popularity(world: FittedWorld) -> None:
    found = world.preferences.likelihood
    assert found.events > 60
    assert found.model > found.popularity + 0.2
    assert found.popularity > found.uniform
    assert not world.preferences.repeats


def test_in_slates_and_over_all_items_the_utility_is_the_same(world: FittedWorld) -> None:
    preferences, rng = world.preferences, np.random.default_rng(1)
    last, tastes = rng.integers(-1, 40, size=20), preferences.users[:20]
    slates = rng.integers(0, 40, size=(20, 5))
    whole = preferences.utility(tastes, last)
    np.testing.assert_allclose(preferences.of(tastes, slates, last), whole[np.arange(20)[:, None], slates], rtol=1e-4)


def test_simulated_histories_are_near_the_log(world: FittedWorld) -> None:
    near = fidelity(world, rng=np.random.default_rng(2), users=150)
    for name, slack in (("popularity", 0.1), ("history length", 0.12)):
        assert near.measure(name).value < near.measure(name).floor + slack
    assert near.measure("items of one history").value > 0.4 * near.measure("items of one history").floor
    assert near.measure("held-out likelihood").value > 0
    assert near.shares.sum(axis=1) == pytest.approx([1, 1, 1])
    assert near.curve is None


def test_what_is_assumed_is_said(world: FittedWorld) -> None:
    fitted = {known.name: known.fitted for known in world.known}
    assert fitted["preferences"]
    assert not fitted["attention"]
    assert not fitted["visits a day"]  # given as a setting
    assert isinstance(world.clicks, PositionBased)


def test_with_slates_the_click_model_and_the_attraction_come_from_the_log(shop: Dataset, world: FittedWorld) -> None:
    rng = np.random.default_rng(3)
    users = np.sort(rng.integers(400, size=4000)).astype(np.int32)
    items = np.argsort(rng.random((4000, 40)), axis=1)[:, :5].astype(np.int32)
    pull = 1 / (1 + np.exp(-world.pull(world.preferences.users[users], world.level[users], items, np.full(4000, -1))))
    clicks = PositionBased((1.0, 0.6, 0.4, 0.3, 0.2)).draw(items, pull, rng.random((4000, 15)))
    log = SlateLog(users, np.arange(4000.0), items, clicks, clicks.astype(np.float32))
    found = fit_world(shop.with_slates(log), Simulate(factors=8, clicks="position-based"), rng=np.random.default_rng(0))
    assert found.judged is not None
    assert isinstance(found.clicks, PositionBased)
    assert np.abs(np.array(found.clicks.look) - [1.0, 0.6, 0.4, 0.3, 0.2]).max() < 0.12
    assert found.attraction[1] > 0.3  # taste tells of clicks
    near = fidelity(found, rng=np.random.default_rng(4), users=100)
    assert near.curve is not None
    assert near.measure("clicks by place").value < 0.2


def test_policies_meet_the_same_users_in_the_same_mood(shop: Dataset, world: FittedWorld) -> None:
    crowd = gather(world, np.random.default_rng(1), days=4, users=120)
    found = compare(
        world, crowd, {"none": Nothing(), "popular": server(shop, "popular"), "ials": server(shop, "ials"),
                       "again": server(shop, "ials"), "random": server(shop, "random")}, days=4, k=5, seed=7,
    )  # fmt: skip
    runs = found.runs
    for name in ("visits", "slates", "clicked", "clicks", "picked", "satisfaction", "gone"):
        np.testing.assert_array_equal(getattr(runs["ials"], name), getattr(runs["again"], name))
    assert found.line("again", "clicks").effect is not None
    assert found.line("popular", "clicks").effect is None
    assert runs["none"].shown == 0
    assert np.isnan(found.line("none", "click_rate").value.mean)
    means = {name: found.line(name, "clicks").value.mean for name in runs}
    assert means["ials"] > means["random"] > means["none"] == 0
    assert found.line("random", "churned").value.mean > found.line("ials", "churned").value.mean
    assert runs["ials"].clicks.sum() == runs["ials"].curve[:, 1].sum()
    assert runs["ials"].by_day[:, 0].sum() == runs["ials"].slates.sum()
    assert not crowd.memory.gone.any()  # the policies got copies
    # half of the plan does not hang on the policy: who is there comes at the same time
    stayed = ~runs["ials"].gone & ~runs["random"].gone
    np.testing.assert_array_equal(runs["ials"].visits[stayed], runs["random"].visits[stayed])


def test_newcomers_new_items_and_drift(shop: Dataset) -> None:
    config = Simulate(factors=8, visits=1.0, new_users=0.1, new_items=0.5, drift=0.5)
    moving = fit_world(shop, config, rng=np.random.default_rng(0))
    crowd = gather(moving, np.random.default_rng(1), days=5, users=100)
    assert len(crowd) == 150
    assert (crowd.recent.counts[100:] == 0).all()
    allowed = crowd.allowed(0)
    assert allowed is not None
    assert allowed.sum() == 41 - 20
    before = crowd.tastes.copy()
    age(moving, crowd, np.random.default_rng(2))
    alike = np.corrcoef(before[:100].ravel(), crowd.tastes[:100].ravel())[0, 1]
    assert 0.5 < alike < 0.95
    ran = run_policy(moving, crowd, server(shop, "popular"), days=5, k=5)
    assert ran.by_day[0, 2] < ran.by_day[-1, 2] + ran.gone.sum()
    late = np.flatnonzero(crowd.joined == 4)
    assert (ran.visits[late] < 10).all()


def test_a_policy_of_another_catalogue_shows_what_both_know(shop: Dataset, world: FittedWorld) -> None:
    ids = [shop.item_ids[index] for index in range(20)]
    other = Dataset.of(pl.DataFrame({"user": ["a"] * 21, "item": [*ids, "elsewhere"]}))
    strategy = make("popular").fit(other)
    policy = InProcess(build(SlateConfig(sources=["popular"], fallback=""), {"popular": strategy}), shop.item_ids)
    crowd = gather(world, np.random.default_rng(1), days=1, users=30)
    ran = run_policy(world, crowd, policy, days=2, k=5)
    assert ran.shown > 0
    shown = crowd.memory.shown[crowd.memory.shown >= 0]
    assert set(shown.tolist()) <= set(shop.item_ids.indices(ids).tolist())


class Service:
    """A stand-in for a running service that shows the same items to all."""

    def __init__(self, items: Vocabulary) -> None:
        self.items, self.events, self.latencies, self.retries = items, [], [], 0
        self.asked: list[Body] = []

    def recommend(self, requests: Sequence[Body]) -> list[Body]:
        self.asked += requests
        return [
            {
                "decision": f"d{len(self.events)}-{row}",
                "items": [{"item": self.items[place]} for place in range(body["k"])],
            }
            for row, body in enumerate(requests)
        ]

    def send_events(self, events: Sequence[Body]) -> None:
        self.events += events

    def send_feedback(self, feedback: Sequence[Body]) -> None:
        raise AssertionError(feedback)


def test_over_http_users_send_what_they_do(shop: Dataset, world: FittedWorld) -> None:
    service = Service(shop.item_ids)
    crowd = gather(world, np.random.default_rng(1), days=2, users=40)
    ids = [f"s{number}" for number in range(len(crowd))]
    everybody = np.arange(len(crowd))
    past = crowd.recent.histories(everybody, np.zeros(len(crowd)), everybody.astype(np.uint64), shop.n_items)
    ran = run_policy(world, crowd, OverHttp(service, ids, shop.item_ids, past=past), days=2, k=5)
    for body in service.asked:  # what they did before is told with every request, what they do now by events alone
        row = ids.index(body["user"])
        before = past.items[past.indptr[row] : past.indptr[row + 1]].tolist()
        assert [event["item"] for event in body.get("history", [])] == [shop.item_ids[item] for item in before]
    assert any("history" in body for body in service.asked)
    clicks = [event for event in service.events if "decision" in event]
    assert len(clicks) == ran.clicks.sum() > 0
    assert len(service.events) - len(clicks) == ran.picked.sum()
    assert len({event["id"] for event in service.events}) == len(service.events)
    assert {event["item"] for event in clicks} <= {shop.item_ids[place] for place in range(5)}


def test_rings_forget_the_oldest() -> None:
    recent = Recent.fresh(3, depth=3)
    recent.push(np.array([0, 0, 2]), np.array([1, 2, 9]), 1.0, np.arange(3.0))
    recent.push(np.array([0, 0]), np.array([3, 4]), 2.0, np.array([5.0, 6.0]))
    found = recent.histories(np.array([2, 0, 1]), np.zeros(3), np.zeros(3, np.uint64), 10)
    assert found.items.tolist() == [9, 2, 3, 4]
    assert found.lengths.tolist() == [1, 3, 0]
    assert found.weights.tolist() == [1, 1, 2, 2]
    assert recent.last(np.array([0, 1])).tolist() == [4, -1]


def test_visits_and_leaving_come_from_times() -> None:
    rng = np.random.default_rng(5)
    n, days, hazard = 800, 120, 0.05
    lives = np.minimum(rng.geometric(hazard, n), days)  # a visit a day, until leaving
    user = np.repeat(np.arange(n), lives)
    day = np.arange(len(user)) - np.repeat(np.cumsum(lives) - lives, lives)
    table = pl.DataFrame({"user": [f"u{u}" for u in user], "item": [f"i{d % 7}" for d in day], "time": day * 86_400.0})
    found = fit_activity(Dataset.of(table), Simulate(more=0.0))
    assert found.leave == pytest.approx(hazard, rel=0.1)
    assert np.median(found.rates) == pytest.approx(1.0, rel=0.2)
    assert all(known.fitted for known in found.known)


def test_errors_say_the_way_out(shop: Dataset, world: FittedWorld) -> None:
    with pytest.raises(SettingError, match=r"clicks is 'cascaded'. Did you mean 'cascade'"):
        fit_world(shop, Simulate(clicks="cascaded"), rng=np.random.default_rng(0))
    few = Dataset.of(pl.DataFrame({"user": ["a", "a", "a"], "item": ["x", "y", "z"]}))
    with pytest.raises(DataError, match="1 users of the log have three positive events; at least 20"):
        fit_world(few, rng=np.random.default_rng(0))
    crowd = gather(world, np.random.default_rng(1), days=1, users=10)
    with pytest.raises(SettingError, match="days is 0; days must be at least 1"):
        run_policy(world, crowd, Nothing(), days=0)
    with pytest.raises(SettingError, match=r"baseline is 'populer'. Did you mean 'popular'"):
        compare(world, crowd, {"popular": server(shop, "popular")}, days=1, baseline="populer")
