"""Rules, slots and steps from the policy to the decision, the metrics and the answer over HTTP."""

import json
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from recloop.app.engine import Engine
from recloop.compose import policy_config
from recloop.compose.slots import slots_of
from recloop.data.dataset import Dataset
from recloop.loop.release import Release, build_release, load, successor
from recloop.service.server import background
from recloop.store import Store
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.types import Event, Request

ITEMS = [f"i{n:02d}" for n in range(30)]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    rng = np.random.default_rng(5)
    log = pl.DataFrame(
        {
            "user": [f"u{n // 6}" for n in range(300)],
            "item": [ITEMS[int(n)] for n in (rng.random(300) ** 2 * 30)],
            "time": np.arange(300.0),
        }
    )
    catalogue = pl.DataFrame(
        {
            "item": ITEMS,
            "category": [("war", "drama", "comedy")[n % 3] for n in range(30)],
            "sponsored": [n % 10 == 9 for n in range(30)],
            "unread": ["x"] * 30,
        }
    )
    shop = Dataset.of(log, catalogue)
    ruled = {
        "sources": ["item-knn", "popular"],
        "diversifier": {"kind": "xquad", "strength": 0.5},
        "measured": 1.0,
        "rules": [
            {"do": "pin", "name": "ad", "items": ["i29"], "place": 2},
            {"do": "hide", "name": "recall", "items": ["i00"]},
        ],
    }
    page = {
        "hero": {"size": 1, "policy": {"sources": ["item-knn"]}},
        "ad": {"size": 2, "where": {"sponsored": {"in": ["true"]}}, "policy": ruled | {"rules": []}},
    }
    plain = {"sources": ["item-knn", "popular"], "diversifier": {"kind": "xquad", "strength": 0.5}}
    learned = {"kind": "bandit", "arms": {"one": plain, "other": plain}, "within": {"places": 3, "pool": 12}}
    folder = build_release(
        tmp_path_factory.mktemp("release") / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop), "item-knn": ItemKNN().fit(shop)},
        policies={
            "ruled": policy_config(ruled),
            "page": policy_config({"kind": "slots", "slots": page}),
            "learned": policy_config(learned),
            "curious": policy_config(
                {"kind": "bandit", "arms": {"one": plain}, "explore": {"most": 2, "share": 0.9, "pool": 9}}
            ),
            "two": policy_config({"kind": "slots", "slots": {"row": {"size": 4, "policy": learned}}}),
        },
        default_policy="ruled",
        created=0.0,
    )
    return load(folder)


def test_a_release_keeps_the_columns_that_its_policies_read(release: Release) -> None:
    assert "sponsored" in release.catalogue.columns
    assert "unread" not in release.catalogue.columns


def test_a_decision_tells_what_its_rules_did(release: Release, tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        decision = Engine(store, release, seed=1).recommend(Request("u1", k=5))
        assert decision.items[1].item == "i29"
        assert decision.items[1].reason == "placed here by a rule"
        assert "i00" not in [entry.item for entry in decision.items]
        assert decision.details["rules"]["ad"]["places"] >= 1
        (kept,) = store.decisions()["details"].to_list()
        assert json.loads(kept)["rules"] == decision.details["rules"]


def test_an_explanation_says_which_step_moved_an_item(release: Release, tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        history = (Event("", "i03", "view", 1.0), Event("", "i05", "view", 2.0))
        decision = Engine(store, release, seed=1).recommend(Request("new", k=5, history=history, explain=True))
    steps = decision.details["steps"]
    assert len(steps) == len(decision.items) == 5
    for place, (entry, own) in enumerate(zip(decision.items, steps, strict=True), 1):
        assert own[-1] == {"step": "slate", "place": place}
        assert next(step["step"] for step in own) in {entry.source, "fusion"}
        assert {step["step"] for step in own} <= {"item-knn", "popular", "fusion", "diversity", "pins", "slate"}
    assert decision.items[1].reason.endswith("a rule that pins put it at place 2")
    moved = [entry.reason for entry in decision.items if "; diversity put it at place" in entry.reason]
    assert moved


def test_slots_and_steps_over_http_and_rules_as_metrics(release: Release, tmp_path: Path) -> None:
    with (
        background(tmp_path / "store.db", release=release.folder, port=0, log=None, seed=1) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        wish = {"user": "u2", "k": 5, "explain": True}
        answer = client.post("/v1/recommend", json=wish).json()
        assert answer["items"][1]["steps"][-1] == {"step": "slate", "place": 2}
        assert "slot" not in answer["items"][0]
        metrics = client.get("/metrics").text
        assert 'recloop_rule_slates_total{changed="true",policy="ruled",rule="ad"} 1.0' in metrics
        assert 'recloop_rule_places_total{policy="ruled",rule="ad"}' in metrics
        assert 'recloop_rule_exposure_total{policy="ruled",rule="recall"}' in metrics


def test_items_name_their_slot_over_http(release: Release, tmp_path: Path) -> None:
    page = successor(release.folder, tmp_path / "two", name="two", version=2, default_policy="page")
    with (
        background(tmp_path / "store.db", release=page, port=0, log=None, seed=1) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        items = client.post("/v1/recommend", json={"user": "u1", "k": 9}).json()["items"]
    assert [item["slot"] for item in items] == ["hero", "ad", "ad"]
    assert len({item["item"] for item in items}) == 3


def test_steps_of_a_page_are_those_of_each_slot(release: Release, tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        engine = Engine(store, replace(release, default_policy="page"), seed=1)
        history = (Event("", "i03", "view", 1.0), Event("", "i05", "view", 2.0))
        decision = engine.recommend(Request("new", k=9, history=history, explain=True))
    hero, first, second = decision.details["steps"]
    assert hero[-1] == first[-1] == {"step": "slate", "place": 1}
    assert second[-1] == {"step": "slate", "place": 2}
    assert "diversity" not in [step["step"] for step in hero]
    assert "diversity" in [step["step"] for step in first]


@pytest.mark.parametrize(
    ("policy", "step", "said"),
    [
        ("learned", "within", "; what was learned of single items put it at place "),
        ("two", "within", "; what was learned of single items put it at place "),
        ("curious", "explore", "; exploration put it at place "),
    ],
)
def test_what_draws_places_again_is_told(release: Release, tmp_path: Path, policy: str, step: str, said: str) -> None:
    with Store(tmp_path / "store.db") as store:
        engine = Engine(store, replace(release, default_policy=policy), seed=1)
        history = (Event("", "i03", "view", 1.0), Event("", "i05", "view", 2.0))
        decision = engine.recommend(Request("new", k=4, history=history, explain=True))
    steps = decision.details["steps"]
    assert len(steps) == len(decision.items) == 4
    for place, own in enumerate(steps, 1):
        assert [one["step"] for one in own][-2:] == [step, "slate"]
        assert own[-1]["place"] == own[-2]["place"] == place
    moved = [entry for entry, own in zip(decision.items, steps, strict=True) if own[-3]["place"] != own[-1]["place"]]
    assert moved
    assert any(said in entry.reason for entry in moved)
    chances = (decision.details["slots"][0] if policy == "two" else decision.details)["propensities"]
    assert len(chances) == 4
    assert min(chances) < 1


def test_the_page_names_the_slot_of_each_item(release: Release, tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        decision = Engine(store, replace(release, default_policy="page"), seed=1).recommend(Request("u1", k=9))
    assert slots_of(decision.details) == ["hero", "ad", "ad"]
    assert {entry.item for entry in decision.items[1:]} <= {"i09", "i19", "i29"}
