"""A run whose policy has rules, slots and a fusion to be learned: learned, measured, released, and read again."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recloop.app.run import run as run_with_report
from recloop.compose.config import slates_of
from recloop.data.histories import Histories
from recloop.errors import ArtifactError, SettingError
from recloop.loop.plan import Plan
from recloop.loop.release import load
from recloop.loop.run import run

RULES = [
    {"do": "hide", "name": "<b>no hats</b>", "where": {"category": {"in": ["hats"]}}},
    {"do": "boost", "name": "idle", "items": ["i01"], "when": {"country": ["DE"]}},
]


@pytest.mark.skipif(not importlib.util.find_spec("lightgbm"), reason="the extra 'blend' is not installed")
def test_what_a_run_learns_for_fusion_is_part_of_its_release(shop: Path, table: dict[str, Any]) -> None:
    table["policy"] = {
        "kind": "slots",
        "slots": {
            "top": {"size": 2, "policy": {"sources": ["ease", "transitions"], "fusion": "learned"}},
            "rest": {"size": 3, "where": {"category": {"in": ["cups", "lamps"]}}, "policy": {
                "sources": ["ease", "popular"], "fusion": "weighted-score", "scale": "calibrated"}},
        },
    }  # fmt: skip
    done = run(Plan.of(table, shop))
    assert done.policy is not None
    top, rest = slates_of(done.policy).values()
    assert set(rest.calibration) == {"ease", "popular"}
    release = load(done.release)
    assert list(release.models) == [top.model]
    policy = release.policy()
    choices = policy.choose(policy.initial_state(), Histories.of([[0, 1]], n_items=30), 5, np.random.default_rng(0))
    assert (choices.rankings.items >= 0).all()
    assert (choices.rankings.items[0, 2:] < 20).all()
    file = done.release / "models" / f"{top.model}.lightgbm"
    file.write_text(file.read_text() + " ")
    with pytest.raises(ArtifactError, match=r"models/.*\.lightgbm of the release .* is damaged"):
        load(done.release)


def test_the_report_tells_what_each_rule_did(shop: Path, table: dict[str, Any]) -> None:
    table["policy"] = {"sources": ["ease", "transitions"], "diversifier": {"kind": "pm2"}, "rules": RULES}
    done = run_with_report(Plan.of(table, shop))
    hide, idle = json.loads((done.folder / "evaluation.json").read_text())["rules"]
    assert hide["slates"] > 0.5 * hide["requests"] > 0
    assert 0 < hide["exposure"] < 1
    assert (idle["slates"], idle["places"]) == (0, 0.0)
    page = done.report.read_text()
    assert "What the rules did" in page
    assert "&lt;b&gt;no hats&lt;/b&gt;" in page
    assert "<b>no hats" not in page
    assert "Without effect: idle." in page
    # the released policy keeps to them
    release = load(done.release)
    hats = {place for place, category in enumerate(release.catalogue["category"]) if category == "hats"}
    ranked = release.policy().rank(Histories.of([[0], [22, 23]], n_items=30), 10).items
    assert not hats & set(ranked.ravel().tolist())


def test_rules_that_contradict_end_a_run_before_it_is_written(shop: Path, table: dict[str, Any]) -> None:
    table["policy"] = {"sources": ["ease"], "rules": [*RULES, {"do": "pin", "name": "hat", "items": ["i25"]}]}
    with pytest.raises(SettingError, match="the rule 'hat' pins 'i25', which the rule '<b>no hats</b>' hides"):
        run(Plan.of(table, shop))
    assert not list(shop.glob("runs/*"))
    table["policy"]["conflicts"] = "precedence"
    done = run(Plan.of(table, shop))
    assert done.results["rule_notes"] == ["the rule 'hat' pins 'i25', which the rule '<b>no hats</b>' hides"]


def test_a_plan_names_what_it_lacks(shop: Path, table: dict[str, Any]) -> None:
    table["policy"] = {"sources": ["ease"], "fusion": "cascade", "ranker": "eas"}
    with pytest.raises(SettingError, match=r"\[policy\] ranker is 'eas'. Did you mean 'ease'"):
        Plan.of(table, shop)
    table["policy"] = {"kind": "slots", "slots": {"a": {"size": 1, "policy": {"sources": ["eas"]}}}}
    with pytest.raises(SettingError, match=r"\[policy.slots.a.policy\] sources names 'eas'"):
        Plan.of(table, shop)
