from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.compose import SlateConfig
from recloop.loop.release import build_release
from recloop.metrics.outcomes import user_table
from recloop.service.server import background
from recloop.simulate import HttpClient, Memory, Traffic, World, drive
from recloop.store import Store
from recloop.strategies.ease import Ease
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random


class Shelf:
    """A service in process: half of the users get their own taste, half get items by the order of the shelf."""

    def __init__(self, world: World, *, best: bool = True) -> None:
        self.world = world
        self.latencies: list[float] = []
        self.retries = 0
        self.asked: list[Mapping[str, Any]] = []
        self.events: list[Mapping[str, Any]] = []
        self.feedback: list[Mapping[str, Any]] = []
        liking = world.population.tastes @ world.catalogue.vectors.T
        self.best = np.argsort(-liking, axis=1)[:, :10] if best else np.tile(np.arange(10), (len(liking), 1))
        self.names = world.items["item"].to_list()

    def recommend(self, requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        answers = []
        for request in requests:
            self.asked.append(request)
            self.latencies.append(0.001)
            user = int(request["user"].removeprefix("u")) - 1
            mine = self.best[user] if user % 2 else np.arange(10)
            items = [{"item": self.names[i], "score": 1.0} for i in mine[: request["k"]]]
            variant = "best" if user % 2 else "shelf"
            answers.append({"decision": f"d{len(self.asked)}", "variant": variant, "policy": variant, "items": items})
        return answers

    def send_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.events += events

    def send_feedback(self, feedback: Sequence[Mapping[str, Any]]) -> None:
        self.feedback += feedback


@pytest.fixture(scope="module")
def trip(world: World) -> tuple[Shelf, Traffic]:
    shelf = Shelf(world)
    return shelf, drive(world, shelf, days=6)


def test_everything_is_counted(world: World, trip: tuple[Shelf, Traffic]) -> None:
    shelf, traffic = trip
    assert len(shelf.asked) == traffic.slates.height == len(traffic.latencies)
    assert len(shelf.events) == traffic.events
    assert len(shelf.feedback) == traffic.comments > 20
    assert traffic.users == len({request["user"] for request in shelf.asked})
    assert sum(e["kind"] == "view" for e in shelf.events) == traffic.sessions
    assert sum(e["kind"] == "click" for e in shelf.events) == traffic.slates["clicks"].sum()
    assert sum(e["kind"] == "purchase" for e in shelf.events) == traffic.slates["purchases"].sum()
    assert 1.1 < traffic.slates.height / traffic.sessions < 2.2


def test_what_is_sent_follows_the_contract(world: World, trip: tuple[Shelf, Traffic]) -> None:
    shelf, _ = trip
    ids = [e["id"] for e in shelf.events] + [f["id"] for f in shelf.feedback]
    assert len(ids) == len(set(ids))
    assert {e["kind"] for e in shelf.events} == {"view", "click", "purchase", "rating"}
    for e in shelf.events:
        assert ("value" in e) == (e["kind"] in {"purchase", "rating"})
        assert ("decision" in e) == (e["kind"] != "view")
        assert world.end <= e["time"] <= world.end + 7 * 86_400
    for request in shelf.asked:
        assert request["profile"].keys() == {"age", "gender", "device"}
        assert all(isinstance(value, str) for value in request["profile"].values())
        assert request["k"] == 10
    assert all(f["kind"] == "comment" and f["text"] and f["decision"] for f in shelf.feedback)


def test_a_user_acts_in_order(trip: tuple[Shelf, Traffic]) -> None:
    shelf, traffic = trip
    asked: dict[str, float] = {}
    for request in shelf.asked:
        assert request["time"] > asked.get(request["user"], 0)
        asked[request["user"]] = request["time"]
    pages = traffic.slates.sort("user", "time")
    following = pages["page"].diff().fill_null(0)
    assert (following.filter(pages["page"] > 1) == 1).all()
    assert not pages.filter(pl.col("page").shift(-1).over("user") > pl.col("page"))["abandoned"].any()


def test_who_left_does_not_come_back(world: World) -> None:
    memory = Memory.fresh(600)
    memory.gone[::3] = True
    shelf = Shelf(world)
    drive(world, shelf, days=3, memory=memory)
    assert not {request["user"] for request in shelf.asked} & set(world.users["user"].gather_every(3))
    mine = np.arange(0, 600, 7)
    shelf = Shelf(world)
    drive(world, shelf, days=3, users=mine)
    assert {request["user"] for request in shelf.asked} <= set(world.users["user"].gather_every(7))


def test_truth_is_told_along(trip: tuple[Shelf, Traffic]) -> None:
    _, traffic = trip
    told = traffic.by_variant()
    assert told["variant"].to_list() == ["best", "shelf"]
    best, shelf = told.rows(named=True)
    assert best["slate_ctr"] > 1.5 * shelf["slate_ctr"]
    for row in (best, shelf):
        error = np.sqrt(row["slate_ctr"] * (1 - row["slate_ctr"]) / row["slates"])
        assert abs(row["clicked"] - row["slate_ctr"]) < 4 * error
    assert best["satisfaction"] > shelf["satisfaction"]


def test_a_seed_fixes_the_trip_and_changes_no_memory_of_the_world(world: World, trip: tuple[Shelf, Traffic]) -> None:
    before = world.past.memory.shown.copy()
    again = drive(world, Shelf(world), days=6)
    assert again.slates.equals(trip[1].slates)
    np.testing.assert_array_equal(world.past.memory.shown, before)
    assert not drive(world, Shelf(world), days=6, seed=8).slates.equals(again.slates)


def test_what_others_get_changes_nobody(world: World, trip: tuple[Shelf, Traffic]) -> None:
    # the even users see the same shelf, whatever the odd ones see
    other = drive(world, Shelf(world, best=False), days=6).slates
    columns = ["user", "time", "page", "clicks", "purchases", "satisfaction", "abandoned", "repeats"]
    one, two = (frame.filter(pl.col("variant") == "shelf").select(columns) for frame in (trip[1].slates, other))
    assert one.equals(two)


def test_unknown_and_missing_items_are_empty_places(world: World) -> None:
    class Odd(Shelf):
        def recommend(self, requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
            answers = super().recommend(requests)
            return [{**answer, "items": [{"item": "what?"}, *answer["items"][:2]]} for answer in answers]

    traffic = drive(world, Odd(world), days=1)
    assert traffic.slates["clicks"].max() <= 2
    assert traffic.slates["slate_ctr"].is_not_nan().all()


def test_a_day_without_visits(world: World) -> None:
    traffic = drive(world, Shelf(world), days=2, users=np.empty(0, np.int64))
    assert (traffic.users, traffic.sessions, traffic.events, traffic.slates.height) == (0, 0, 0, 0)


def test_users_visit_a_real_service(world: World, tmp_path: Path) -> None:
    shop = world.dataset()
    strategies = {"random": Random().fit(shop), "popular": Popular().fit(shop), "ease": Ease().fit(shop)}
    policies = {name: SlateConfig(sources=[name], fallback="") for name in ("random", "popular", "ease")}
    release = build_release(
        tmp_path / "release", name="one", version=1, dataset=shop, strategies=strategies, policies=policies,
        default_policy="popular", created=0.0,
    )  # fmt: skip
    variants = {name: {"policy": name, "control": name != "ease"} for name in policies}
    with background(tmp_path / "shop.db", release=release, port=0) as server, HttpClient(server.url) as client:
        client._post("/v1/experiments", {"name": "home", "variants": variants})
        client._post("/v1/experiments/home/start", {})
        traffic = drive(world, client, days=2, users=np.arange(150))
    with Store(tmp_path / "shop.db") as store:
        decisions, events, feedback = store.decisions(), store.events(), store.feedback()
    assert decisions.height == traffic.slates.height
    assert events.height == traffic.events
    assert feedback.height == traffic.comments
    assert decisions["time"].is_between(world.end, world.end + 2 * 86_400 + 300).all()
    table = user_table(decisions, events, feedback)
    assert table["slates"].sum() == traffic.slates.height
    assert table["clicks"].sum() == traffic.slates["clicks"].sum()
    assert set(traffic.by_variant()["variant"]) == set(policies)
