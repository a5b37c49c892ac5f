"""Attacks in the store's log: told by command and route, and kept from a bandit."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from msgspec import structs

from recloop.app.attacks import find_attacks
from recloop.app.learning import LOOK, ON_ITS_WAY, Learning
from recloop.cli.main import recloop
from recloop.store import Store
from recloop.types import Decision, Event

DAY = 86_400.0
NOW = 1_700_006_400.0  # a midnight


def shop(attacked: bool, now: float) -> list[Event]:
    """Ten days of 300 users on 60 items, who like them all; and 60 new accounts on one item within an hour."""
    rng = np.random.default_rng(4)
    start = now - 10 * DAY
    arrive = rng.random(300) * 5
    found = [
        Event(f"u{user}", f"i{rng.integers(60)}", "click", start + (arrive[user] + rng.random() * 4) * DAY, id=f"e{n}")
        for n, user in enumerate(np.repeat(np.arange(300), 20))
    ]
    bad = [Event(f"bad{n}", "i7", "click", start + 8 * DAY + float(rng.random() * 3000), id=f"b{n}") for n in range(60)]
    return found + bad * attacked


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "shop.db") as store:
        yield store


def test_what_is_trusted_is_the_log_without_the_attack(store: Store) -> None:
    store.append_events(shop(attacked=True, now=NOW))
    found = find_attacks(store, NOW)
    assert {(one.kind, one.who, one.users) for one in found.bursts} == {("item", "i7", 60)}
    assert (found.looked_at, found.flagged) == (6060, 60)
    assert found.trusted["id"].to_list() == [event.id for event in shop(attacked=False, now=NOW)]
    assert store.counts()["events"] == 6060  # nothing is deleted
    assert find_attacks(store, NOW + 60 * DAY).looked_at == 0


@pytest.mark.parametrize("quarantine", [True, False])
def test_a_bandit_learns_as_if_there_were_no_attack(tmp_path: Path, quarantine: bool) -> None:
    """Each event rewards a decision; those of the attack belong to the arm ``left``."""
    from recloop.compose.config import SlateConfig, ThompsonConfig
    from recloop.compose.policy import build
    from recloop.data.dataset import Dataset
    from recloop.strategies.popular import Popular

    slate = SlateConfig(sources=["popular"], fallback="")
    log = pl.DataFrame({"user": ["u"], "item": ["i"], "kind": ["click"], "time": [1.0]})
    config = ThompsonConfig(
        arms={"left": slate, "right": slate}, reward_kinds=["click"], reward_hours=12 * 24 + 0.5 / 3600
    )
    policy = build(config, {"popular": Popular().fit(Dataset.of(log))})
    release = SimpleNamespace(name="one", policies={"bandit": policy})

    def learned(name: str, attacked: bool) -> object:
        adopted: list[dict[str, Any]] = []
        engine = SimpleNamespace(release=release, adopt=lambda _release, _policy, state: adopted.append(state))
        now = [NOW]
        with Store(tmp_path / f"{name}.db", clock=lambda: now[0]) as store:
            learning = Learning(store, engine, quarantine=quarantine, clock=lambda: now[0])
            events = [structs.replace(event, decision=f"d-{event.id}") for event in shop(attacked, NOW)]
            arms = {event.decision: "left" if event.item == "i7" else "right" for event in events}
            store.append_decisions(
                [Decision(d, "u", NOW - 12 * DAY, (), "bandit", arm=arm, release="one") for d, arm in arms.items()]
            )
            learning.follow()  # the log is searched before the events come: they wait
            store.append_events(events)
            now[0] += 1
            learning.follow()
            assert bool(adopted) == (not quarantine)
            now[0] += LOOK + ON_ITS_WAY
            learning.follow()
        return adopted[-1]["per_arm"]["total"]  # what was won; what made the attack was shown slates, and won nothing

    assert (learned("attacked", attacked=True) == learned("clean", attacked=False)) == quarantine


def test_the_command(store: Store, tmp_path: Path) -> None:
    import time

    store.append_events(shop(attacked=True, now=time.time()))
    said = CliRunner().invoke(recloop, ["attacks", "--store", str(tmp_path / "shop.db"), "--json"])
    told = json.loads(said.stdout)
    assert told["flagged"] == 60
    assert told["bursts"][0]["who"] == "i7"
    said = CliRunner().invoke(recloop, ["attacks", "--store", str(tmp_path / "shop.db"), "--days", "30"])
    assert said.stdout.startswith("60 of 6,060 events look made, in ")
    said = CliRunner().invoke(recloop, ["attacks", "--store", str(tmp_path / "shop.db"), "--days", "0.5"])
    assert "in 0 bursts" in said.stdout
