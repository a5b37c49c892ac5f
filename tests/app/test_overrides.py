"""Overrides in the engine: they hold from the next request on, are told and measured, and leave history alone."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.engine import Assignment, Engine
from recloop.app.finder import Finder
from recloop.app.overlay import MEASURED
from recloop.app.override_effects import override_effect
from recloop.app.overrides import OverrideWish, add_override
from recloop.compose import SlateConfig
from recloop.compose.config import SoftmaxConfig, policy_config
from recloop.data.dataset import Dataset
from recloop.errors import SettingError
from recloop.loop.release import Release, build_release, load
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.types import Event, Request

N = 30
HOUR = 3600.0


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Item i0 is the most popular, then i1 and so on; ``page`` has two slots."""
    items = np.repeat(np.arange(N), np.arange(N, 0, -1))
    log = pl.DataFrame({"user": [f"u{n}" for n in range(len(items))], "item": [f"i{item}" for item in items]})
    catalogue = pl.DataFrame(
        {"item": [f"i{n}" for n in range(N)], "category": ["odd" if n % 2 else "even" for n in range(N)]}
    )
    shop = Dataset.of(log.with_columns(time=pl.lit(0.0)), catalogue)
    popular = SlateConfig(sources=["popular"], fallback="")
    page = policy_config(
        {
            "kind": "slots",
            "slots": {
                name: {
                    "size": 2,
                    "where": {"category": {"in": [name]}},
                    "policy": {"sources": ["popular"], "fallback": ""},
                }
                for name in ("odd", "even")
            },
        },
        "page",
    )
    return load(
        build_release(
            tmp_path_factory.mktemp("release") / "one",
            name="one",
            version=1,
            dataset=shop,
            strategies={"popular": Popular().fit(shop)},
            policies={
                "popular": popular,
                "page": page,
                "drawn": SlateConfig(sources=["popular"], fallback="", softmax=SoftmaxConfig()),
            },
            default_policy="popular",
            created=0.0,
        )
    )


class Shop:
    """An engine and its store, at a time that can be moved."""

    def __init__(self, folder: Path, release: Release) -> None:
        self.now = 1000.0 * HOUR
        self.store = Store(folder / "store.db", clock=lambda: self.now)
        self.engine = Engine(self.store, release, seed=1, clock=lambda: self.now)
        self.release = release

    def add(self, action: str, *items: str, **more: object) -> str:
        values = {"reason": "because", "owner": "eva"} | more
        made = add_override(self.store, OverrideWish(action, items, **values), self.release, now=self.now)  # type: ignore[arg-type]
        self.engine.overrides.follow()
        return made.id

    def ids(self, k: int = 4, **wish: object) -> list[str]:
        return [entry.item for entry in self.engine.recommend(Request(**{"k": k, **wish})).items]  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path, release: Release) -> Shop:
    return Shop(tmp_path, release)


def test_each_action_does_what_it_says_and_ends(shop: Shop) -> None:
    assert shop.ids() == ["i0", "i1", "i2", "i3"]
    for action, items, more, wanted in (
        ("pin", ["i9", "i7"], {"place": 2}, ["i0", "i9", "i7", "i1"]),
        ("pin", ["i2"], {"place": 1}, ["i2", "i0", "i1", "i3"]),
        ("boost", ["i20"], {"strength": 1.0}, ["i20", "i0", "i1", "i2"]),
        ("hide", ["i1", "i2"], {}, ["i0", "i3", "i4", "i5"]),
        ("ban", ["i0"], {}, ["i1", "i2", "i3", "i4"]),
    ):
        name = shop.add(action, *items, **more)
        assert shop.ids() == wanted, action
        shop.store.overrides.end(name, actor="eva")
        shop.engine.overrides.follow()
        assert shop.ids() == ["i0", "i1", "i2", "i3"], action


def test_a_boost_moves_by_its_strength_and_not_further(shop: Shop) -> None:
    shop.add("boost", "i5", strength=0.05)
    found = shop.ids(10)
    assert sorted(found) == sorted(f"i{n}" for n in range(10))
    assert 0 < found.index("i5") < 5


def test_hides_win_over_pins_and_the_older_pin_over_the_younger(shop: Shop) -> None:
    shop.add("pin", "i9", place=1)
    shop.add("pin", "i8", place=1)
    assert shop.ids()[0] == "i9"
    shop.add("hide", "i9")
    assert shop.ids() == ["i8", "i0", "i1", "i2"]


def test_what_the_request_forbids_is_not_pinned(shop: Shop) -> None:
    shop.add("pin", "i9")
    assert "i9" not in shop.ids(exclude=("i9",))
    assert shop.ids(candidates=("i3", "i4")) == ["i3", "i4"]


def test_only_the_surface_and_the_segment(shop: Shop) -> None:
    shop.add("hide", "i0", surface="home", segment={"profile.gender": "female"})
    woman = {"surface": "home", "profile": {"gender": "female"}}
    assert "i0" not in shop.ids(**woman)
    assert "i0" in shop.ids(**woman | {"surface": "mail"})
    assert "i0" in shop.ids(**woman | {"profile": {"gender": "male"}})
    assert "i0" in shop.ids(surface="home")


def test_it_expires_by_itself(shop: Shop) -> None:
    shop.add("hide", "i0", days=1.0)
    assert "i0" not in shop.ids()
    shop.now += 24 * HOUR
    assert "i0" in shop.ids()  # nobody looked into the store again


def test_requests_that_are_scored_together_keep_their_own_overrides(shop: Shop) -> None:
    shop.add("pin", "i9", surface="home")
    asked = [Request(user=f"u{n}", k=3, surface="home" if n % 2 else "mail") for n in range(6)]
    for request, answer in zip(asked, shop.engine.decide_all(asked), strict=True):
        assert not isinstance(answer, Exception)
        assert (answer.items[0].item == "i9") == (request.surface == "home")
        assert ("overrides" in answer.details) == (request.surface == "home")


def test_a_ban_reaches_items_that_are_asked_for_without_a_user(shop: Shop) -> None:
    finder = Finder(shop.engine)
    assert "i1" in [shop.release.items[place] for place in finder.similar("i0", 29, (), {}).found.items.tolist()]
    shop.add("hide", "i1")
    shop.add("ban", "i2")
    left = [shop.release.items[place] for place in finder.similar("i0", 29, (), {}).found.items.tolist()]
    assert "i1" in left
    assert "i2" not in left


def test_a_page_of_slots_follows_hides_alone(shop: Shop) -> None:
    shop.engine.run_experiment(lambda _request: Assignment("", "", "page"))
    before = shop.ids(4)
    shop.add("pin", "i9")
    assert shop.ids(4) == before
    shop.add("hide", before[0])
    after = shop.ids(4)
    assert before[0] not in after
    assert len(after) == 4


def test_the_decision_names_what_held_and_a_share_of_them_what_it_did(shop: Shop) -> None:
    pin, hide = shop.add("pin", "i9", place=1), shop.add("hide", "i25")
    for _ in range(400):
        shop.ids()
    told = [json.loads(row)["overrides"] for row in shop.store.decisions()["details"].to_list()]
    assert all(set(one) == {pin, hide} for one in told)
    measured = [one for one in told if one[pin]]
    assert 400 * MEASURED * 0.5 < len(measured) < 400 * MEASURED * 1.6  # 4 standard errors are 24
    assert {one[pin]["places"] for one in measured} == {4}  # all four places hold something else
    assert {one[hide]["places"] for one in measured} == {0}  # i25 would not have been shown


def test_the_items_source_is_the_pin(shop: Shop) -> None:
    shop.add("pin", "i9", place=2)
    assert [entry.source for entry in shop.engine.recommend(Request(k=3)).items] == ["popular", "pin", "popular"]


def test_chances_of_places_are_told_only_where_they_are_of_what_is_shown(shop: Shop) -> None:
    def told() -> dict[str, object]:
        wish = Request(k=4, candidates=[f"i{n}" for n in range(N)])
        return dict(shop.engine.recommend(wish).details)

    shop.engine.run_experiment(lambda _request: Assignment("", "", "drawn"))
    assert len(told()["propensities"]) == 4
    hidden = shop.add("hide", "i3")
    assert set(told()) == {"propensities", "overrides"}
    pinned = shop.add("pin", "i9", place=2)
    assert set(told()) == {"overrides"}, "the policy drew its places without the pin"
    assert set(told()["overrides"]) == {hidden, pinned}


def test_an_override_does_not_touch_what_was_decided(shop: Shop) -> None:
    shop.ids()
    before = shop.store.decisions().to_dicts()
    shop.add("ban", "i0")
    shop.ids()
    assert shop.store.decisions().to_dicts()[:1] == before
    assert [line.action for line in shop.store.audit.lines()] == ["add override: ban"]


def test_another_process_follows_the_store(shop: Shop) -> None:
    other = Engine(shop.store, shop.release, seed=2, clock=lambda: shop.now)
    shop.add("ban", "i0")
    other.overrides.follow()
    assert other.recommend(Request(k=1)).items[0].item == "i1"


def test_items_that_a_release_does_not_know_do_no_harm(shop: Shop) -> None:
    add_override(shop.store, OverrideWish("pin", ("gone",), "old", "eva"), None, now=shop.now)
    shop.engine.overrides.follow()
    assert shop.ids() == ["i0", "i1", "i2", "i3"]


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (OverrideWish("pni", ("i1",), "r", "o"), r"there is no override 'pni'\. Did you mean 'pin'"),
        (OverrideWish("pin", (), "r", "o"), r"the override names 0 items; 1 to 100"),
        (OverrideWish("pin", ("nope",), "r", "o"), r"the active release has no item 'nope'"),
        (OverrideWish("pin", ("i1",), " ", "o"), r"the override has no reason"),
        (OverrideWish("pin", ("i1",), "r", ""), r"the override has no owner"),
        (OverrideWish("pin", ("i1",), "r", "o", place=0), r"the pin is for place 0; places are 1 to 1000"),
        (OverrideWish("boost", ("i1",), "r", "o", strength=0.0), r"the boost has strength 0; above 0, up to 10"),
        (OverrideWish("ban", ("i1",), "r", "o", surface="home"), r"a ban is for everybody.*hide the items instead"),
        (OverrideWish("hide", ("i1",), "r", "o", days=-1.0), r"lasts -1 days"),
        (OverrideWish("hide", ("i1",), "r", "o", segment={"gender": "f"}), r"names 'gender'.*try profile.gender"),
    ],
)
def test_what_is_not_allowed_is_told(shop: Shop, wish: OverrideWish, sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        add_override(shop.store, wish, shop.release, now=shop.now)
    assert shop.store.overrides.all() == []


def test_the_effect_counts_slates_places_and_clicks(shop: Shop) -> None:
    def visits(n: int, clicked: Callable[[int], str]) -> None:
        for turn in range(n):
            shop.now += 60.0
            decision = shop.engine.recommend(Request(user=f"u{turn}-{shop.now}", k=3))
            if item := clicked(turn):
                event = Event(decision.user, item, "click", shop.now + 1, decision=decision.id)
                shop.store.append_events([event])

    visits(100, lambda turn: "i0" if turn % 10 == 0 else "")  # 10% before
    shop.now += 1.0
    name = shop.add("pin", "i9", place=1)
    assert override_effect(shop.store, name, shop.now + 1).sentence == "No slate was asked for yet for which it holds."
    visits(100, lambda turn: "i9" if turn % 5 == 0 else "")  # 20% since
    found = override_effect(shop.store, name, shop.now + 30)
    assert (found.slates, found.slates_before, found.shown, found.clicks) == (100, 100, 100, 20)
    assert (found.before, found.since) == (0.1, 0.2)
    assert found.changed == 1.0
    assert found.places == 3.0
    assert "20.0% of the slates had a click, against 10.0% of 100 in" in found.sentence
    assert "Before against since is no experiment" in found.sentence
    assert found.to_dict()["clicks"] == 20


def test_the_same_luck_with_and_without(shop: Shop) -> None:
    """A hide of what is never shown changes nothing, so nothing may seem to change."""
    name = shop.add("hide", "i29")
    for _ in range(200):
        shop.ids()
    found = override_effect(shop.store, name, shop.now + 1)
    assert found.measured > 5
    assert (found.changed, found.places, found.exposure) == (0.0, 0.0, 0.0)
