"""Policies of a release judged by the store's decisions: by the arm of a slate, and by the item at each place."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.off_policy import judge_store
from recloop.app.replay import Replay
from recloop.compose import Choices, SlateConfig, ThompsonConfig
from recloop.compose.business.settings import Pin
from recloop.data.dataset import Dataset
from recloop.errors import DataError, MissingError, SettingError
from recloop.loop.release import Release, build_release, load
from recloop.store import Store
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.types import Decision, Event, SlateItem

START, N, K = 1000.0, 600, 3
RATE = {"popular": 0.2, "knn": 0.5}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    rng = np.random.default_rng(3)
    log = pl.DataFrame(
        {"user": [f"u{n}" for n in rng.integers(0, 60, 900)], "item": [f"i{n}" for n in rng.integers(0, 30, 900)]}
    )
    shop = Dataset.of(log)
    arms = {name: SlateConfig(sources=[name], fallback="") for name in ("popular", "knn")}
    ad = Pin(name="ad", items=["i29"], place=2)
    pinned = {name: SlateConfig(sources=[name], fallback="", rules=[ad]) for name in ("popular", "knn")}
    folder = build_release(
        tmp_path_factory.mktemp("release") / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop), "knn": ItemKNN().fit(shop)},
        policies={
            **arms,
            "bandit": ThompsonConfig(arms=arms),
            "both": SlateConfig(sources=["popular", "knn"], fallback=""),
            "pinned": ThompsonConfig(arms=pinned),
            "one pins": ThompsonConfig(arms={"popular": arms["popular"], "knn": pinned["knn"]}),
            "knn, pinned": pinned["knn"],
        },
        default_policy="bandit",
        created=0.0,
    )
    return load(folder)


@pytest.fixture
def store(tmp_path: Path, release: Release) -> Iterator[Store]:
    """Slates of two arms, drawn evenly and shown as the release makes them; the second is clicked more often."""
    rng = np.random.default_rng(4)
    with Store(tmp_path / "store.db", clock=lambda: START) as opened:
        opened.append_events([Event(f"v{n % 40}", f"i{n % 30}", "view", 1.0 + n, id=f"before{n}") for n in range(160)])
        plain = pl.DataFrame({
            "id": [f"d{n}" for n in range(N)], "user": [f"v{n % 40}" for n in range(N)],
            "time": START + np.arange(N), "items": [["i0"] * K] * N,
        })  # fmt: skip
        replay = Replay.of(opened, plain, release)
        shown = {arm: replay.chosen(release.policies["bandit"].arm(arm)).rankings.items for arm in RATE}
        decisions, events = [], []
        for n in range(N):
            arm = "knn" if rng.random() < 0.5 else "popular"
            items = tuple(SlateItem(release.items[item], 1.0) for item in shown[arm][n].tolist() if item >= 0)
            decisions.append(
                Decision(f"d{n}", f"v{n % 40}", START + n, items, "bandit", arm=arm, propensity=0.5,
                         allocation={"popular": 0.5, "knn": 0.5}, release="one")
            )  # fmt: skip
            if items and rng.random() < RATE[arm]:
                # late, so that no later history holds it
                events.append(
                    Event(f"v{n % 40}", items[0].item, "click", START + n + 5000.0, id=f"e{n}", decision=f"d{n}")
                )
        opened.append_decisions(decisions)
        opened.append_events(events)
        yield opened


def test_arms_are_judged_by_slate(store: Store) -> None:
    found = judge_store(store, ("always:knn", "always:popular", "uniform"))
    values = {one.policy: one for one in found.policies}
    assert values["always:knn"].low < 0.5 < values["always:knn"].high
    assert values["always:popular"].low < 0.2 < values["always:popular"].high
    assert [one.policy for one in found.policies] == ["always:knn", "uniform", "always:popular"]
    assert (found.rounds, found.users) == (N, 40)
    assert all(one.concludes for one in found.policies)
    assert found.source.startswith("600 slates of policy bandit in ")


def test_a_policy_of_the_release_is_judged_by_its_state(store: Store, release: Release) -> None:
    store.policy_states.put("one", "bandit", {"format": 1, "arms": {"popular": [0.0, 50.0], "knn": [50.0, 0.0]}})
    found = judge_store(store, ("bandit", "always:knn"), release=release.folder)
    bandit, knn = {one.policy: one for one in found.policies}["bandit"], found.policies[0]
    assert bandit.value == pytest.approx(knn.value, abs=1e-6)
    with pytest.raises(
        SettingError, match=r"the policy 'both' has other arms than what logged; judge it by what it shows"
    ):
        judge_store(store, ("both",), release=release.folder)
    with pytest.raises(SettingError, match=r"there is no policy 'bandti'. Did you mean 'bandit'"):
        judge_store(store, ("bandti",), release=release.folder)
    with pytest.raises(MissingError, match=r"there is no release, so no policy 'both'"):
        judge_store(store, ("both",))


def test_another_reward_and_another_log(store: Store) -> None:
    with pytest.raises(DataError, match=r"no event of the kind that 'revenue' reads was ever sent"):
        judge_store(store, reward="revenue", wanted=("uniform",))
    with pytest.raises(SettingError, match=r"there is no reward 'cliks'. Did you mean 'clicks'"):
        judge_store(store, reward="cliks")
    with pytest.raises(SettingError, match=r"no decision of the policy 'bndit' has arms with chances. Did you mean"):
        judge_store(store, logged="bndit")
    assert judge_store(store, ("uniform",), reward="clicks").logged[0] == pytest.approx(0.35, abs=0.05)


def test_a_log_without_chances_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path / "empty.db") as empty:
        empty.append_decisions([Decision("d", "u", 1.0, (SlateItem("i", 1.0),), "popular")])
        with pytest.raises(
            DataError, match=r"has arms with chances, so nothing can be weighed; serve a policy of kind"
        ):
            judge_store(empty)


def test_a_policy_that_is_no_arm_is_judged_by_place(store: Store, release: Release) -> None:
    found = judge_store(store, ("knn", "popular", "both"), release=release.folder, unit="place")
    values = {one.policy: one for one in found.policies}
    # the arm's clicks over its places: as often as it was the one shown, or the other showed the same item there
    assert values["knn"].value > 1.5 * values["popular"].value
    assert values["knn"].weights.mean == pytest.approx(1.0, abs=0.15)
    assert found.rounds > N
    assert values["both"].value == values["both"].value  # a number: it shows what one of the arms shows, or nothing
    with pytest.raises(MissingError, match=r"there is no release to replay; name one with --release"):
        judge_store(store, unit="place")


def test_written_propensities_of_places_are_taken_as_they_are(store: Store, release: Release, tmp_path: Path) -> None:
    with Store(tmp_path / "places.db", clock=lambda: START) as places:
        kept = store.decisions()
        places.append_decisions(
            [Decision(row["id"], row["user"], row["time"], tuple(SlateItem(item, 1.0) for item in row["items"]), "softmax",
                      details={"propensities": [0.5] * len(row["items"])}) for row in kept.iter_rows(named=True)]
        )  # fmt: skip
        places.append_events([Event(row["user"], row["items"][0], "click", row["time"] + 1, id=row["id"], decision=row["id"])
                              for row in kept.head(200).iter_rows(named=True)])  # fmt: skip
        found = judge_store(places, ("popular",), release=release.folder, unit="place")
        assert found.rewarded == 200
        json.dumps(found.policies[0].policy)


def clicks_by_item(release: Release, seed: int) -> np.ndarray:
    """(n_items,) how often each item is clicked wherever it stands: the truth of the simulated logs below."""
    return np.random.default_rng(seed).uniform(0.1, 0.7, len(release.items))


def simulated(folder: Path, release: Release, policy: str, n: int = 900, **told: object) -> tuple[Store, Choices]:
    """A store in which arms were drawn at .4 (knn) and .6, and what the arm 'knn' would have shown."""
    rng, truth = np.random.default_rng(5), clicks_by_item(release, 6)
    opened = Store(folder / "simulated.db", clock=lambda: START)
    opened.append_events([Event(f"v{u % 40}", f"i{u % 30}", "view", 1.0 + u, id=f"before{u}") for u in range(160)])
    table = {"id": [f"d{row}" for row in range(n)], "user": [f"v{row % 40}" for row in range(n)]}
    plain = pl.DataFrame({**table, "time": START + np.arange(n), "items": [["i0"] * K] * n})
    replay = Replay.of(opened, plain, release)
    shown = {arm: replay.chosen(release.policies[policy].arm(arm)) for arm in RATE}
    decisions, events = [], []
    for row in range(n):
        arm = "knn" if rng.random() < 0.4 else "popular"
        codes = shown[arm].rankings.items[row]
        sources = shown[arm].sources[row]
        items = tuple(
            SlateItem(release.items[c], 1.0, source=by) for c, by in zip(codes.tolist(), sources, strict=True)
        )
        decisions.append(
            Decision(f"d{row}", f"v{row % 40}", START + row, items, policy, arm=arm, propensity=0.4 if arm == "knn" else 0.6,
                     allocation={"popular": 0.6, "knn": 0.4}, release="one",
                     details={name: value for name, value in told.items() if row % 3 == 0})
        )  # fmt: skip
        for place in np.flatnonzero(rng.random(K) < truth[codes]).tolist():
            clicked = Event(
                f"v{row % 40}",
                items[place].item,
                "click",
                START + row + 5000.0,
                id=f"e{row}-{place}",
                decision=f"d{row}",
            )
            events.append(clicked)
    opened.append_decisions(decisions)
    opened.append_events(events)
    return opened, shown["knn"]


def test_places_that_a_rule_pins_in_every_arm_are_left_out(release: Release, tmp_path: Path) -> None:
    store, shown = simulated(tmp_path, release, "pinned")
    with store:
        found = judge_store(store, ("knn, pinned", "knn"), release=release.folder, unit="place")
    ruled = {one.policy: one for one in found.policies}["knn, pinned"]
    free = shown.sources != "pin"  # a tenth of the users has seen the pinned item: there the pin gives way
    truth = clicks_by_item(release, 6)[shown.rankings.items[free]].mean()
    assert (found.rounds, found.left_out) == (1890, "810 places whose item a rule pins whatever is drawn")
    assert ruled.concludes, ruled.objections
    assert ruled.low < truth < ruled.high
    assert ruled.high - ruled.low < 0.25
    # without the rule its third item stands elsewhere, so that the log says nothing of it
    other = next(one for one in found.policies if one.policy == "knn")
    assert not other.concludes
    assert "mean" in [one.kind for one in other.objections]


def test_a_place_that_one_arm_pins_stays_a_round(release: Release, tmp_path: Path) -> None:
    store, shown = simulated(tmp_path, release, "one pins")
    with store:
        found = judge_store(store, ("knn, pinned",), release=release.folder, unit="place")
    truth = clicks_by_item(release, 6)[shown.rankings.items].mean()
    assert (found.rounds, found.left_out) == (2700, "")
    assert found.policies[0].concludes, found.policies[0].objections
    assert found.policies[0].low < truth < found.policies[0].high


def test_slates_under_an_override_are_left_out(release: Release, tmp_path: Path) -> None:
    store, _ = simulated(tmp_path, release, "bandit", overrides={"o1": {}})
    with store:
        found = judge_store(store, ("knn",), release=release.folder, unit="place")
        assert (found.rounds, found.left_out) == (1800, "300 slates under an override")
