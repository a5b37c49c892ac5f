from pathlib import Path
from typing import Any

import pytest

from recloop.errors import MissingError, RecloopError, SettingError
from recloop.loop.plan import Plan, child_seed, read_plan

DATA = {"data": {"events": "log.csv"}}
SHORT = DATA | {"strategies": {"use": ["ease"]}}

WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"dat": {}},
        "the plan has no table [dat]. Did you mean 'data'? Valid: compress, data, finetune, gate, metrics, policy, run, simulate, split, strategies, tune.",
    ),
    ({}, 'the plan has no table [data]; it needs at least [data] events = "events.csv".'),
    ({"data": "log.csv"}, "data is 'log.csv'; it must be a table: [data]."),
    ({"data": {}}, "[data] needs the setting 'events'."),
    ({"data": {"events": "x", "bad_row": 1}}, "[data] has no setting 'bad_row'. Did you mean 'bad_rows'? Valid: "),
    ({"data": {"events": 3}}, "[data] events is 3. It must be a text."),
    (
        {"data": {"events": "x", "kinds": {"weight": {}}}},
        "[data.kinds] has no setting 'weight'. Did you mean 'weights'? Valid: default, minimum, weights.",
    ),
    ({"data": {"events": "x", "kinds": {"weights": {"view": "low"}}}}, "[data] kinds.weights"),
    (DATA | {"split": {"fraktion": 0.2}}, "[split] has no setting 'fraktion'. Did you mean 'test_fraction'? Valid: "),
    (DATA | {"split": {"name": "temporl"}}, "[split] name is 'temporl'. Did you mean 'temporal'? Valid: "),
    (
        DATA | {"split": {"test_fraction": 2}},
        "[split] split 'temporal': test_fraction is 2; it must be a number between",
    ),
    (DATA | {"strategies": {"use": ["eese"]}}, "[strategies.eese] there is no strategy 'eese'. Did you mean 'ease'? "),
    (DATA | {"strategies": {"use": "ease"}}, "[strategies] use is 'ease'; it must be a list of names: use = "),
    (
        DATA | {"strategies": {"sue": []}},
        "[strategies] has no setting 'sue'. Did you mean 'use'? Valid: use. Settings of",
    ),
    (
        DATA | {"strategies": {"use": ["ials"], "ease": {}}},
        "[strategies.ease] has settings, but 'ease' is not in use. Valid: ials, popular, popular-7d, random.",
    ),
    (
        DATA | {"strategies": {"ease": {"regg": 3}}},
        "[strategies.ease] strategy 'ease' has no setting 'regg'. Did you mean 'reg'? Valid: ",
    ),
    (
        DATA | {"strategies": {"ease": {"reg": "high"}}},
        "[strategies.ease] strategy 'ease': reg is 'high'; it must be a number",
    ),
    (DATA | {"strategies": {"composed": {"strategy": "ease"}}}, "a strategy is named 'composed'; that is the name of"),
    (DATA | {"strategies": {"../x": {"strategy": "ease"}}}, "a strategy is named '../x'; names are letters, digits, "),
    (DATA | {"metrics": {"names": ["ndgc"]}}, "[metrics] there is no metric 'ndgc'. Did you mean 'ndcg'? Valid: "),
    (DATA | {"metrics": {"k": [0]}}, "[metrics] k[0] is 0. It must be a whole number of at least 1."),
    (DATA | {"metrics": {"k": []}, "policy": {}}, "[metrics] there is nothing to judge by; "),
    (DATA | {"policy": {"divesity": 1}}, "[policy] has no setting 'divesity'. Did you mean 'diversity'? Valid: "),
    (
        SHORT | {"policy": {"sources": ["eas"]}},
        "[policy] sources names 'eas'. Did you mean 'ease'? Valid: ease, popular, popular-7d, random.",
    ),
    (
        SHORT | {"policy": {"sources": {"ease": 0}}},
        "[policy] the weights of the policy's sources are {'ease': 0.0}; weights",
    ),
    (
        SHORT | {"policy": {"fallback": "ials"}},
        "[policy] fallback is 'ials'. Valid: ease, popular, popular-7d, random.",
    ),
    (SHORT | {"policy": {"kind": "thompson", "arms": {}}}, "[policy.arms] is empty; name at least one arm: "),
    (
        SHORT | {"policy": {"kind": "thompson", "arms": {"a": {"sources": ["eas"]}}}},
        "[policy.arms.a] sources names 'eas'. Did you mean 'ease'?",
    ),
    (DATA | {"run": {"seed": -1}}, "[run] seed is -1. It must be a whole number of at least 0."),
    (DATA | {"run": {"sed": 1}}, "[run] has no setting 'sed'. Did you mean 'seed'? Valid: out, refit, seed."),
]


@pytest.mark.parametrize(("table", "sentence"), WRONG, ids=[sentence[:40] for _, sentence in WRONG])
def test_wrong_plans(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        Plan.of(table)
    assert str(caught.value).startswith(sentence)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (b"[data]\nevents = \n", SettingError, "Invalid value (at line 2, column 10)"),
        (b"[data]\nevents = 'a'\nevents = 'b'\n", SettingError, "(at line 3, column 13)"),
        (b"[data]\nevents = '\xff'\n", SettingError, "is not UTF-8 text: byte 17; save it as UTF-8."),
        (None, MissingError, "there is no plan at"),
    ],
)
def test_files_that_are_no_plan(
    tmp_path: Path, content: bytes | None, error: type[RecloopError], sentence: str
) -> None:
    path = tmp_path / "recloop.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error) as caught:
        read_plan(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="cannot be read"):
        read_plan(tmp_path)


def test_a_plan_file_is_read_from_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "recloop.toml"
    path.write_text('[data]\nevents = "log.csv"\nitems = "items.csv"\n[run]\nout = "made"\n')
    plan = read_plan(path)
    assert plan.source.events == str(tmp_path / "log.csv")
    assert plan.source.items == str(tmp_path / "items.csv")
    assert plan.out == tmp_path / "made"
    assert plan.data.events == "log.csv"


def test_the_smallest_plan_takes_every_strategy() -> None:
    plan = Plan.of(DATA)
    assert {"random", "popular", "transitions", "item-knn", "ease", "ials", "content", "popular-7d"} <= set(
        plan.strategies
    )
    assert plan.strategies["popular-7d"].make().config()["window"] == 7.0
    assert not plan.chosen
    assert plan.splitter.name == "temporal"
    assert plan.metrics.metrics[0].name == "ndcg@10"


def test_the_controls_are_always_trained() -> None:
    assert list(Plan.of(SHORT).strategies) == ["random", "popular", "popular-7d", "ease"]


def test_one_strategy_under_two_names() -> None:
    table = DATA | {
        "strategies": {
            "use": ["ease", "ease-strong"],
            "ease": {"reg": 10.0},
            "ease-strong": {"strategy": "ease", "reg": 1000.0},
        }
    }
    plan = Plan.of(table)
    assert plan.strategies["ease-strong"].make().config()["reg"] == 1000.0
    assert plan.strategies["ease"].make().config()["reg"] == 10.0


def test_the_resolved_plan_is_the_same_plan() -> None:
    table = DATA | {
        "split": {"name": "per-user-random"},
        "strategies": {"use": ["ease", "ials"], "ials": {"factors": 16}},
        "policy": {"kind": "thompson", "arms": {"a": {"sources": ["ease"]}, "b": {"sources": ["ials"]}}},
        "run": {"seed": 7},
    }
    plan = Plan.of(table)
    resolved = plan.to_dict()
    again = Plan.of(resolved)
    assert again.to_dict() == resolved
    assert again.hash == plan.hash
    assert resolved["strategies"]["ials"]["factors"] == 16
    assert resolved["split"]["test_fraction"] == 0.2
    assert Plan.of(Plan.of(DATA).to_dict()).hash == Plan.of(DATA).hash


def test_the_hash_tells_plans_apart_and_not_places() -> None:
    plan = Plan.of(SHORT)
    assert Plan.of(SHORT, Path("/elsewhere")).hash == plan.hash
    assert Plan.of(SHORT | {"run": {"out": "other"}}).hash == plan.hash
    assert Plan.of(SHORT | {"run": {"seed": 1}}).hash != plan.hash
    assert Plan.of(SHORT | {"policy": {"diversity": 0.1}}).hash != plan.hash
    assert len(plan.hash) == 64


def test_seeds_are_children_of_the_runs_seed() -> None:
    seeds = {child_seed(seed, name) for seed in (0, 1) for name in ("random", "ials", "split")}
    assert len(seeds) == 6
    one, two = Plan.of(DATA | {"run": {"seed": 1}}), Plan.of(DATA | {"run": {"seed": 2}})
    assert one.strategies["ials"].settings["seed"] == child_seed(1, "ials") != two.strategies["ials"].settings["seed"]
    assert one.strategies["ials"].settings["seed"] != one.strategies["random"].settings["seed"]
    own = Plan.of(DATA | {"strategies": {"ials": {"seed": 5}}, "run": {"seed": 1}})
    assert own.strategies["ials"].settings["seed"] == 5
