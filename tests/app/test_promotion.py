"""The gate of a release binds people, too: a promotion by hand is held to it, and going past it leaves its reason."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.promotion import held_to, promote_checked
from recloop.cli.main import main
from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.errors import ConflictError, MissingError, SettingError
from recloop.experiments import Experiment
from recloop.loop.gate import GateConfig
from recloop.loop.release import build_release, load, successor
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random
from recloop.types import Decision, Event, SlateItem

DAY, USERS, NOW = 86400.0, 2000, 5 * 86400.0
RULES = GateConfig(worst_group=0.15)


def build(folder: Path, gate: GateConfig = RULES, *, seed: int = 3, **changes: object) -> Path:
    rng = np.random.default_rng(seed)
    log = {"user": [f"u{n // 5}" for n in range(200)], "item": [f"i{n}" for n in rng.integers(0, 20, 200)]}
    shop = Dataset.of(pl.DataFrame({**log, "time": np.arange(200.0)}))
    settings = {
        "name": "1-first", "version": 1, "dataset": shop, "default_policy": "random", "created": 0.0, "gate": gate,
        "strategies": {"popular": Popular().fit(shop), "random": Random().fit(shop)},
        "policies": {name: SlateConfig(sources=[name], fallback="") for name in ("popular", "random")},
    }  # fmt: skip
    return build_release(folder, **(settings | changes))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "recloop.db", clock=lambda: NOW) as store:
        yield store


@pytest.fixture
def winner(store: Store, tmp_path: Path) -> Path:
    """The first release answers, and another one with the other policy in charge waits beside it."""
    first = build(tmp_path / "first")
    promote_checked(store, first, NOW, actor="ann")
    return successor(first, tmp_path / "winner", name="2-winner", version=2, default_policy="popular")


def tried(store: Store, *, women: float) -> None:
    """An experiment in which all users click in half of their slates, and women under the treatment in another part."""
    variants = {"old": {"policy": "random", "control": True}, "new": {"policy": "popular"}}
    test = Experiment.parse({"name": "home", "variants": variants, "planned_users": USERS, "rule": "fixed"})
    store.experiments.add("home", test.to_dict())
    store.experiments.start("home")
    rng = np.random.default_rng(1)
    decisions, events = [], []
    for n in range(USERS):
        variant, gender = "new" if n % 2 else "old", "f" if n % 4 > 1 else "m"
        chance = women if (variant, gender) == ("new", "f") else 0.5
        for slate in range(8):
            id_, time = f"d{n}-{slate}", slate * DAY / 8 + n
            decisions.append(
                Decision(
                    id=id_, user=f"u{n}", time=time, items=(SlateItem(item="i1", score=1.0, source="popular"),),
                    experiment="home", variant=variant, policy="popular", propensity=1.0, release="1-first",
                    latency=0.01, context={"profile.gender": gender},
                )
            )  # fmt: skip
            if rng.random() < chance:
                events.append(Event(f"u{n}", "i1", "click", time + 5, id=f"e{id_}", decision=id_))
    store.append_decisions(decisions)
    store.append_events(events)


def test_nothing_is_asked_where_nothing_can_be_worse(store: Store, winner: Path, tmp_path: Path) -> None:
    assert load(winner).gate == RULES  # a successor has the gate of its parent
    assert "gate" not in json.loads((build(tmp_path / "free", GateConfig()) / "release.json").read_text())
    said = held_to(store, build(tmp_path / "again", seed=4, name="2-again", version=2), NOW)
    assert (said.passed, said.sentence) == (True, "'random' answers already.")
    free = build(tmp_path / "free2", GateConfig(), name="3-free", version=3, default_policy="popular")
    assert promote_checked(store, free, NOW, actor="ann").active


def test_a_policy_that_nobody_tried_is_refused(store: Store, winner: Path) -> None:
    said = (
        r"the gate of the release is shut: No experiment has tried 'popular' over the strategies of this release; "
        r"\[gate\] worst_group of its plan must hold; run an experiment with its policy, or force it with a reason."
    )
    with pytest.raises(ConflictError, match=said):
        promote_checked(store, winner, NOW, actor="ann")
    assert store.releases.active().name == "1-first"


def test_a_group_that_fares_worse_shuts_the_gate_and_a_reason_opens_it(store: Store, winner: Path) -> None:
    tried(store, women=0.3)
    with pytest.raises(ConflictError, match=r"Worse by more than 15.0%: f \(click rate\) \(experiment 'home'\)"):
        promote_checked(store, winner, NOW, actor="ann")
    with pytest.raises(SettingError, match="forced past its gate without a reason; say why"):
        promote_checked(store, winner, NOW, actor="ann", force=True, reason=" ")
    assert store.releases.active().name == "1-first"
    assert promote_checked(store, winner, NOW, actor="ann", force=True, reason="the old one is broken").active
    (line,) = store.audit.about("promote release", "2-winner")
    assert line.actor == "ann"
    assert line.detail.startswith("past its gate: the old one is broken (Worse by more than 15.0%: ")


def test_a_gate_that_holds_lets_it_pass(store: Store, winner: Path, tmp_path: Path) -> None:
    tried(store, women=0.5)
    assert promote_checked(store, winner, NOW, actor="ann", reason="it won").active
    (line,) = store.audit.about("promote release", "2-winner")
    assert line.detail == "it won"
    # what was tried was this policy over these strategies; retrained ones have to be tried themselves
    store.releases.rollback()
    other = build(tmp_path / "other", seed=5, name="3-other", version=3, default_policy="popular")
    assert not held_to(store, other, NOW).passed


def test_a_release_whose_folder_is_gone_is_compared_with_nothing(store: Store, winner: Path, tmp_path: Path) -> None:
    """What answers is lost from the disk: the way on is an experiment that can be read, a backup, or a reason."""
    tried(store, women=0.5)
    shutil.rmtree(tmp_path / "first")
    said = (
        r"No experiment has tried 'popular' over the strategies of this release. The folder of the release '1-first' "
        r"\(.*first\) is gone, so it is not known what answers there and what was tried there: put back what a backup "
        r"holds, and ask again; .*, or force it with a reason\."
    )
    with pytest.raises(ConflictError, match=said):
        promote_checked(store, winner, NOW, actor="ann")
    assert promote_checked(store, winner, NOW, actor="ann", force=True, reason="the disk broke").active


def test_the_command(store: Store, winner: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def typed(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(["releases", "promote", str(winner), "--store", str(tmp_path / "recloop.db"), *words])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out + said.err

    code, said = typed()
    assert code == ConflictError.exit_code
    assert "force it with a reason" in " ".join(said.split())
    assert typed("--force")[0] == SettingError.exit_code
    assert typed("--force", "--reason", "a demo")[0] == 0
    assert store.releases.active().name == "2-winner"
    assert "a demo" in store.audit.about("promote release", "2-winner")[0].detail


def test_a_folder_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no folder"):
        promote_checked(store, tmp_path / "nothing", NOW, actor="ann")
