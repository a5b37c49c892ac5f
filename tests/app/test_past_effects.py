"""Effects of past experiments from a store: the first week beside all that came later."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from recloop.app.past_effects import past_effects
from recloop.cli.main import recloop
from recloop.errors import SettingError
from recloop.experience import proxies
from recloop.experiments import Experiment
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

DAY, START = 86_400.0, 1_700_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Six experiments whose effect on clicks stays as it is; two slates a user, one in the second week."""
    opened = Store(tmp_path / "store.db", clock=lambda: START)
    rng = np.random.default_rng(0)
    variants = {"old": {"policy": "popular", "control": True}, "new": {"policy": "popular"}}
    for number, lift in enumerate((-0.3, -0.2, -0.1, 0.1, 0.2, 0.3)):
        name = f"e{number}"
        opened.experiments.add(
            name, Experiment.parse({"name": name, "variants": variants, "planned_users": 300}).to_dict()
        )
        opened.experiments.start(name)
        decisions, events = [], []
        for user in range(300):
            variant = ("old", "new")[user % 2]
            for week in (0, 1):
                time, id_ = START + 9 * DAY * week + user, f"{name}-{user}-{week}"
                who = f"{name}-{user}"
                decisions.append(Decision(id_, who, time, (SlateItem("x", 1.0, "popular"),), "popular", experiment=name,
                                          variant=variant))  # fmt: skip
                if rng.random() < 0.4 + lift * (variant == "new"):
                    events.append(Event(who, "x", "click", time + 5, 1.0, id=f"c{id_}", decision=id_))
        opened.append_decisions(decisions)
        opened.append_events(events)
        opened.experiments.stop(name)
    return opened


def test_what_stays_as_it_is_is_foretold(store: Store, tmp_path: Path) -> None:
    with store:
        effects = past_effects(store, "slate_ctr")
        clicks = effects.filter(metric="slate_ctr").sort("experiment")
        assert clicks["short"].to_list() == pytest.approx([-0.3, -0.2, -0.1, 0.1, 0.2, 0.3], abs=0.15)
        assert clicks["short_error"].to_numpy() == pytest.approx(0.055, abs=0.015)
        # clicks of one user in both weeks are independent here, so that the errors are too
        assert np.abs(clicks["shared"].to_numpy()).max() < 0.3 * 0.055**2
        best = next(one for one in proxies(effects) if one.metric == "slate_ctr")
        assert best.correlation > 0.8 and best.agreement >= 5 / 6
        with pytest.raises(SettingError, match="there is no metric 'clicks'"):
            past_effects(store, "clicks")
    told = CliRunner().invoke(recloop, ["ux", "proxies", "--store", str(tmp_path / "store.db"), "--json"])
    assert told.exit_code == 0, told.output
    assert "slate_ctr" in {one["metric"] for one in json.loads(told.stdout)["proxies"]}
