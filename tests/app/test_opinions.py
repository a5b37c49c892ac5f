"""What runs, experiments and files say of one policy stands in one table, and grows into a measure of trust."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.app.opinions import gather, held_out, opinions_of
from recloop.cli.main import main
from recloop.errors import DataError, MissingError
from recloop.evaluate.opinions import Opinion, agreements
from recloop.experiments import Experiment
from recloop.report.judges import judges_page, said
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

START, USERS = 1e6, 800
TRUE = {"ease": 0.30, "slim": 0.26, "graph": 0.22, "content": 0.17}
CONTROL = 0.2


def experiment(store: Store, policy: str, seed: int) -> None:
    rng, name = np.random.default_rng(seed), f"try-{policy}"
    variants = {"old": {"policy": "popular", "control": True}, "new": {"policy": policy}}
    test = Experiment.parse(
        {"name": name, "variants": variants, "planned_users": USERS, "primary": "slate_ctr", "unit": "user"}
    )
    store.experiments.add(name, test.to_dict())
    store.experiments.start(name)
    decisions, events = [], []
    for n in range(USERS):
        variant = "new" if n % 2 else "old"
        decision, user = f"{policy}{n}", f"{policy}-u{n}"
        shown = (SlateItem("tea", 1.0),)
        decisions.append(
            Decision(decision, user, START + n, shown, policy, experiment=name, variant=variant, release="one")
        )
        if rng.random() < (TRUE[policy] if variant == "new" else CONTROL):
            events.append(Event(user, "tea", "click", START + n + 1, id=f"e-{decision}", decision=decision))
    store.append_decisions(decisions)
    store.append_events(events)
    store.experiments.stop(name)


def finished_run(folder: Path) -> Path:
    """A run whose held-out figures lie in the same order, and twice as far apart."""
    rng = np.random.default_rng(9)
    folder.mkdir()
    values = {"popular": 0.1} | {name: 0.1 * (1 + 2 * (value / CONTROL - 1)) for name, value in TRUE.items()}
    users = [f"u{n}" for n in range(500)]
    base = rng.normal(1, 0.3, 500)
    parts = [
        pl.DataFrame({"strategy": name, "metric": "ndcg@10", "user": users, "value": base * value})
        for name, value in values.items()
    ]
    pl.concat(parts).write_parquet(folder / "metrics.parquet")
    (folder / "evaluation.json").write_text(json.dumps({"metrics": [{"name": "ndcg@10"}]}))
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    finished_run(tmp_path / "run")
    with Store(tmp_path / "store.db", clock=lambda: START + 5000) as store:
        for seed, policy in enumerate(TRUE):
            experiment(store, policy, seed)
        store.releases.add("one", str(tmp_path / "run" / "release"), "0")
    return tmp_path


def test_live_and_held_out_are_found_by_themselves(place: Path) -> None:
    with Store(place / "store.db") as store:
        gathered = gather(store, START + 9e5)
    assert gathered.left_out == ()
    judges = sorted(one.judge for one in gathered.opinions)
    assert judges == ["held-out"] * 4 + ["live"] * 4
    live = {one.policy: one for one in gathered.opinions if one.judge == "live"}
    assert live["ease"].lift == pytest.approx(0.5, abs=0.35)
    assert 0.05 < live["ease"].error < 0.3
    (found,) = agreements(gathered.opinions)
    assert found.judge == "held-out"
    assert found.line is not None
    assert found.line.slope_low < 0.5 < found.line.slope_high
    assert [step.pairs for step in found.grown] == [2, 3, 4]
    assert found.same_sign == 1.0
    assert "held-out: a lift of 10% there came out as" in said((found,))[0]
    page = judges_page(gathered.opinions, (found,), gathered.left_out, 0.0)
    assert "Agreement as experiments came in" in page


def test_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pl.DataFrame({"judge": "simulated", "policy": list(TRUE), "control": "popular",
                          "lift": [value / CONTROL - 1 for value in TRUE.values()]})  # fmt: skip
    table.write_csv(place / "simulated.csv")
    words = ["judges", "--store", str(place / "store.db"), "--from", str(place / "simulated.csv"), "--page"]
    with pytest.raises(SystemExit) as left:
        main([*words, str(place / "judges.html")])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert "ease / popular" in out
    assert "simulated: a lift of 10% there" in out
    assert "simulated beside live users" in (place / "judges.html").read_text()
    with pytest.raises(SystemExit):
        main([*words[:-1], "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [one["judge"] for one in told["agreements"]] == ["held-out", "simulated"]


def test_no_difference_has_no_sign(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pl.DataFrame({"judge": "simulated", "policy": "ease", "control": "popular", "lift": [-0.0004]})
    table.write_csv(place / "simulated.csv")
    with pytest.raises(SystemExit):
        main(["judges", "--store", str(place / "store.db"), "--from", str(place / "simulated.csv")])
    out = capsys.readouterr().out
    assert "+0.0%" in out
    assert "-0.0%" not in out


def test_what_evaluate_printed_is_an_opinion(tmp_path: Path) -> None:
    told = {
        "policies": [{"policy": "new", "value": 0.3, "low": 0.26, "high": 0.34},
                     {"policy": "old", "value": 0.2, "low": 0.18, "high": 0.22},
                     {"policy": "odd", "value": 0.2, "low": 0.18, "high": 0.22}],
        "concludes": {"new": True, "old": True, "odd": False},
    }  # fmt: skip
    file = tmp_path / "judged.json"
    file.write_text(json.dumps(told))
    (found,) = opinions_of(file, [("new", "old"), ("odd", "old"), ("gone", "old")])
    assert (found.judge, found.lift) == ("off-policy", pytest.approx(0.5))
    assert found.error == pytest.approx(np.hypot(0.04 / 1.96, 1.5 * 0.02 / 1.96) / 0.2, rel=1e-3)


def test_a_wider_interval_is_no_larger_error(tmp_path: Path) -> None:
    told = {"policies": [{"policy": name, "value": 0.2, "low": 0.2 - 0.1645, "high": 0.2 + 0.1645} for name in "ab"],
            "concludes": {"a": True, "b": True}, "alpha": 0.1}  # fmt: skip
    (tmp_path / "judged.json").write_text(json.dumps(told))
    (found,) = opinions_of(tmp_path / "judged.json", [("a", "b")])
    assert found.error == pytest.approx(np.hypot(0.1, 0.1) / 0.2, rel=1e-3)


def test_what_simulate_printed_is_an_opinion(tmp_path: Path) -> None:
    lines = [{"policy": "new", "metric": "click_rate", "value": 0.3, "low": 0.26, "high": 0.34},
             {"policy": "new", "metric": "visits", "value": 9.0, "low": 8.0, "high": 10.0},
             {"policy": "none", "metric": "click_rate", "value": None, "low": None, "high": None},
             {"policy": "old", "metric": "click_rate", "value": 0.2, "low": 0.18, "high": 0.22}]  # fmt: skip
    (tmp_path / "simulated.json").write_text(json.dumps({"simulation": True, "lines": lines}))
    (found,) = opinions_of(tmp_path / "simulated.json", [("new", "old"), ("new", "none"), ("gone", "old")])
    assert (found.judge, found.lift, found.metric) == ("simulated", pytest.approx(0.5), "click_rate")


def test_bad_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"holds no run; name a folder that recloop run wrote"):
        held_out(tmp_path, [])
    with pytest.raises(MissingError, match=r"there is no file"):
        opinions_of(tmp_path / "gone.csv")
    (tmp_path / "few.csv").write_text("judge,policy\nlive,a\n")
    with pytest.raises(DataError, match=r"few.csv has no column 'control'; needed are judge, policy, control, lift"):
        opinions_of(tmp_path / "few.csv")
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(DataError, match=r"no.json is no answer of recloop evaluate --off-policy --json"):
        opinions_of(tmp_path / "no.json")


def test_few_pairs_say_that_they_are_few() -> None:
    live = Opinion("a", "b", "live", 0.1, 0.02, time=5.0)
    early, late = (Opinion("a", "b", "held-out", lift, 0.01, time=time) for lift, time in ((0.3, 1.0), (0.9, 9.0)))
    (found,) = agreements([live, early, late])
    assert found.pairs == ((early, live),)  # not what was said after users had spoken
    assert (found.ordering, found.line) == (None, None)
    assert "1 pair of policies was judged both ways" in said((found,))[0]
    (told,) = said(agreements([live]))
    assert told.startswith(
        "No pair of policies was judged both offline and by live users yet. Name the run of a policy"
    )


def test_two_pairs_have_no_order() -> None:
    """That of two is 1 or -1, and means nothing."""
    live = [Opinion(f"p{n}", "old", "live", 0.1 * n, 0.02, time=n) for n in range(1, 4)]
    held = [Opinion(f"p{n}", "old", "held-out", 0.2 * n, 0.01) for n in range(1, 4)]
    (two,), (three,) = agreements([*live[:2], *held]), agreements([*live, *held])
    assert two.ordering is None
    assert "rank correlation" not in said((two,))[0]
    assert three.ordering is not None
    assert three.ordering.correlation == 1.0
