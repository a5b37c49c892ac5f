"""The scorecard of a log in files and of an experiment in a store, by the command and as a page."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from recloop.app.readout import read_trial
from recloop.app.scorecard import ALL, Files, experience_in_files, experience_in_store
from recloop.cli.main import recloop
from recloop.errors import DataError, MissingError, SettingError
from recloop.experience import UserExperience
from recloop.experiments import Experiment
from recloop.loop.gate import GateConfig, group_check
from recloop.report.experience_page import experience_page
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

DAY, START = 86_400.0, 1_700_000_000.0
ITEMS = [f"i{n}" for n in range(12)]


def sex_of(user: int) -> str:
    return "fm"[user // 2 % 2]


def log(users: int = 1600, seed: int = 0, harmed: float = -0.25) -> tuple[list[Decision], list[Event]]:
    """Under ``new`` men click more and women less; each user sees three slates."""
    rng = np.random.default_rng(seed)
    decisions, events = [], []
    for user in range(users):
        variant, sex = ("old", "new")[user % 2], sex_of(user)
        for slate in range(3):
            time = START + DAY * slate + user
            items = rng.choice(ITEMS, 4, replace=False)
            id_ = f"d{user}-{slate}"
            decisions.append(
                Decision(id_, f"u{user}", time, tuple(SlateItem(str(i), 1.0, "popular") for i in items), "popular",
                         experiment="home", variant=variant, latency=0.01, context={"profile.sex": sex})
            )  # fmt: skip
            rate = 0.4 + (variant == "new") * (0.15 if sex == "m" else harmed)
            if rng.random() < rate:
                events.append(Event(f"u{user}", str(items[0]), "click", time + 5, 1.0, id=f"e{id_}", decision=id_))
    return decisions, events


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("log")
    decisions, events = log()
    pl.DataFrame(
        {
            "id": [d.id for d in decisions], "user": [d.user for d in decisions],
            "variant": [d.variant for d in decisions], "time": [d.time for d in decisions],
            "items": ["|".join(i.item for i in d.items) for d in decisions],
            "context": [json.dumps(dict(d.context)) for d in decisions],
        }
    ).write_csv(folder / "decisions.csv")  # fmt: skip
    pl.DataFrame([(e.user, e.item, e.kind, e.time) for e in events], schema=["user", "item", "kind", "time"],
                 orient="row").write_csv(folder / "events.csv")  # fmt: skip
    pl.DataFrame({"item": ITEMS, "provider": ["big"] * 9 + ["<b>small</b>"] * 3}).write_csv(folder / "items.csv")
    return Files(folder / "decisions.csv", folder / "events.csv", items=folder / "items.csv")


@pytest.fixture(scope="module")
def found(files: Files) -> UserExperience:
    return experience_in_files(files, "new")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db", clock=lambda: START) as opened:
        variants = {"old": {"policy": "popular", "control": True}, "new": {"policy": "popular"}}
        test = Experiment.parse({"name": "home", "variants": variants, "planned_users": 1600, "rule": "fixed"})
        opened.experiments.add("home", test.to_dict())
        opened.experiments.start("home")
        decisions, events = log()
        opened.append_decisions(decisions)
        opened.append_events(events)
        yield opened


def test_the_harmed_group_is_named_first(found: UserExperience) -> None:
    assert found.controls == ("old",)
    assert "Worse than under old by more than 2% for f (click rate)" in found.sentence
    assert found.fairness is not None
    row = found.fairness.row("sex", "slate_ctr")
    assert {one.group: one.held for one in row.groups} == {"f": "breached", "m": "held"}


def test_what_was_not_sent_is_said_and_is_not_zero(found: UserExperience) -> None:
    by = {one.metric: one for one in found.values}
    assert by["survey"].reason == "not measured: it needs survey answers, and there are none"
    assert np.isnan(by["survey"].value)
    assert by["slate_ctr"].low < by["slate_ctr"].value < by["slate_ctr"].high
    assert "survey answers" in str(found)
    # the file knows of no decisions; that is no broken client
    assert {row.id: row.light for row in found.health.rows}["unjoined"] == "missing"
    assert found.scorecard is not None
    assert list(found.scorecard.by_family())[:2] == ["engagement", "satisfaction"]


def test_it_prints_plots_and_writes_itself(found: UserExperience, tmp_path: Path) -> None:
    assert json.loads(found.to_json(tmp_path / "x.json")) == json.loads((tmp_path / "x.json").read_text())
    found.to_parquet(tmp_path / "x.parquet")
    assert pl.read_parquet(tmp_path / "x.parquet").filter(metric="slate_ctr")["light"].item() in {"open", "worse"}
    assert "click rate" in found.matrix() and 'class="light ' in found.matrix()
    assert "800 users" not in found.groups("sex", "slate_ctr") and "400 users" in found.groups("sex", "slate_ctr")
    found.exposure().save(tmp_path / "x.svg")
    assert "merit" in (tmp_path / "x.svg").read_text()
    with pytest.raises(MissingError, match="no row 'sexe slate_ctr'"):
        found.groups("sexe", "slate_ctr")
    with pytest.raises(MissingError, match="no kinds of items by 'prvider'"):
        found.exposure("prvider")


def test_the_page_escapes_what_users_sent_and_loads_nothing(found: UserExperience) -> None:
    page = experience_page(found, START)
    assert "<b>small</b>" not in page and "&lt;b&gt;small&lt;/b&gt;" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "<script" not in page
    assert "Worse than under old by more than 2% for f (click rate)" in page
    assert "<tr><td>big</td><td>9</td>" in page and "<tr><td>&lt;b&gt;small&lt;/b&gt;</td><td>3</td>" in page


def test_a_log_without_variants_users_or_items(files: Files, tmp_path: Path) -> None:
    plain = pl.read_csv(files.decisions).drop("variant", "context")
    plain.write_csv(tmp_path / "d.csv")
    alone = experience_in_files(Files(tmp_path / "d.csv", files.events))
    assert (alone.treatment, alone.scorecard, alone.fairness, alone.providers) == (ALL, None, None, ())
    assert len(alone.notes) == 2 and "nothing is known of users" in str(alone)
    assert "metric" in alone.table.columns
    plain[:1].write_csv(tmp_path / "one.csv")
    one = experience_in_files(Files(tmp_path / "one.csv", files.events))
    assert {v.reason for v in one.values if v.metric == "slate_ctr"} == {"1 users"}
    assert "What users went through" in experience_page(one, START)


def test_wrong_names_say_what_is_right(files: Files, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no slate has the variant 'nwe'"):
        experience_in_files(files, "nwe")
    with pytest.raises(SettingError, match="'new' is held against itself"):
        experience_in_files(files, "new", "new")
    with pytest.raises(MissingError, match="there is no file"):
        experience_in_files(Files(tmp_path / "no.csv", files.events))
    pl.read_csv(files.decisions)[:0].write_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="holds no slates"):
        experience_in_files(Files(tmp_path / "none.csv", files.events))
    pl.read_csv(files.decisions).with_columns(time=pl.lit("noon")).write_csv(tmp_path / "noon.csv")
    with pytest.raises(DataError, match="the column time of the decisions holds String"):
        experience_in_files(Files(tmp_path / "noon.csv", files.events))
    pl.read_csv(files.events).drop("kind").write_csv(tmp_path / "kindless.csv")
    with pytest.raises(DataError, match="the events have no column kind"):
        experience_in_files(Files(files.decisions, tmp_path / "kindless.csv"))


def test_a_readout_carries_scorecard_fairness_and_findings(store: Store) -> None:
    trial = read_trial(store, "home", START + 10 * DAY)
    assert trial.experience is not None and trial.experience.breached == ["f (click rate)", "f (abandonment)"]
    assert trial.problems is not None and trial.problems.to_dict()["verdict"]
    found = experience_in_store(store, "home", START + 10 * DAY)
    assert found.to_dict()["fairness"]["control"] == "old"
    assert read_trial(store, "home", START + 10 * DAY, whole=False).experience is None


def test_groups_are_held_against_what_users_would_get_otherwise(files: Files, tmp_path: Path) -> None:
    """Against a control that nobody clicks no group would ever fare worse, and no gate would ever be shut."""
    decisions = pl.read_csv(files.decisions)
    idle = decisions.filter(pl.col("variant") == "old").with_columns(
        variant=pl.lit("idle"), id=pl.col("id") + "i", user=pl.col("user") + "i"
    )
    pl.concat([decisions, idle]).write_csv(tmp_path / "decisions.csv")
    found = experience_in_files(Files(tmp_path / "decisions.csv", files.events), "new")
    assert found.controls == ("idle", "old")
    assert found.fairness is not None and found.fairness.control == "old"
    assert "f (click rate)" in found.breached


def test_slates_that_came_twice_are_left_out_and_counted(files: Files, found: UserExperience, tmp_path: Path) -> None:
    decisions = pl.read_csv(files.decisions)
    pl.concat([decisions, decisions.head(48)]).write_csv(tmp_path / "decisions.csv")
    twice = experience_in_files(Files(tmp_path / "decisions.csv", files.events, items=files.items), "new")
    assert twice.notes[-1] == "48 slates of 4,848 have an id that came before (0.99%) and are left out"
    assert twice.to_dict()["scorecard"] == found.to_dict()["scorecard"]
    pl.concat([decisions, decisions.head(480)]).write_csv(tmp_path / "decisions.csv")
    with pytest.raises(DataError, match=r"480 slates of 5,280 have an id .*\(9.09%\); at most 5%; find what writes"):
        experience_in_files(Files(tmp_path / "decisions.csv", files.events), "new")


def test_a_gate_may_ask_that_no_group_is_worse(store: Store) -> None:
    rules = GateConfig(worst_group=0.05)
    trial = read_trial(store, "home", START + 10 * DAY, rules=rules)
    assert trial.experience is not None
    check = group_check(trial.experience.fairness, rules)
    assert not check.passed and check.sentence == "Worse by more than 5.0%: f (click rate)."
    assert group_check(trial.experience.fairness, GateConfig()).passed
    with pytest.raises(SettingError, match="fairness was read by other settings"):
        group_check(trial.experience.fairness, GateConfig(worst_group=0.01))


def test_the_command_reads_files_and_stores(files: Files, store: Store, tmp_path: Path) -> None:
    run = CliRunner()
    given = ["--decisions", str(files.decisions), "--events", str(files.events), "--items", str(files.items)]
    told = run.invoke(recloop, ["ux", "scorecard", *given, "--treatment", "new", "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["treatment"] == "new"
    page = tmp_path / "page.html"
    shown = run.invoke(recloop, ["ux", "scorecard", *given, "--html", str(page), "--simulation"])
    assert shown.exit_code == 0 and "made-up users" in page.read_text()
    where = ["--store", str(tmp_path / "store.db")]
    of_store = run.invoke(recloop, ["ux", "scorecard", "--experiment", "home", *where, "--json"])
    assert of_store.exit_code == 0, of_store.output
    assert json.loads(of_store.stdout)["fairness"]["attributes"] == ["sex"]
