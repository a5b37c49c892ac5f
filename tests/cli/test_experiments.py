"""Experiments from the outside: versions, ramps, and what an experiment can find."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.cli.main import main
from recloop.metrics.outcomes import user_table
from recloop.stats import Moments, detectable_change
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

HOME = """\
name = "home"
primary = "slate_ctr"
ramp = [{share = 0.1, hours = 1}, {share = 0.5}]
[variants]
popular = {policy = "popular", control = true}
random = {policy = "random", control = true}
blend = {policy = "composed", weight = 2}
"""
DAY = 86_400.0


class Shell:
    """Commands in a folder of their own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        said = self.capsys.readouterr()
        assert stop.value.code == code, said
        return " ".join((said.out if code == 0 else said.err).split())

    def json(self, *words: str) -> dict[str, object]:
        with pytest.raises(SystemExit) as stop:
            main([*words, "--json"])
        said = self.capsys.readouterr()
        assert stop.value.code == 0, said
        return json.loads(said.out)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    Path("home.toml").write_text(HOME)
    return Shell(capsys)


def log(users: int = 400, days: float = 6.0, seed: int = 1) -> tuple[list[Decision], list[Event]]:
    """Slates of users who come back, and their clicks and purchases."""
    rng = np.random.default_rng(seed)
    decisions, events = [], []
    for n, at in enumerate(np.sort(rng.uniform(0, days * DAY, users * 4)).tolist()):
        user = f"u{rng.integers(users)}"
        decisions.append(Decision(f"d{n}", user, at, (SlateItem("i1", 1.0), SlateItem("i2", 0.5)), "popular"))
        if rng.random() < 0.25:
            events.append(Event(user, "i1", "click", at + 5, id=f"c{n}", decision=f"d{n}"))
        if rng.random() < 0.05:
            events.append(Event(user, "i9", "purchase", at + 60, 20.0, id=f"p{n}"))
    return decisions, events


def test_a_version_and_a_step(shell: Shell) -> None:
    shell("experiments", "create", "home.toml")
    shell("experiments", "start", "home")
    Path("changes.toml").write_text("alpha = 0.01\n")
    assert "home.2 is draft" in shell("experiments", "revise", "home", "changes.toml")
    found = {one["name"]: one for one in shell.json("experiments", "list")}
    assert found["home.2"]["definition"]["alpha"] == 0.01
    assert found["home"]["definition"]["offset"] == 0.0
    said = shell("experiments", "start", "home.2", code=5)
    assert "version 1 of 'home' runs; one version of an experiment runs at a time; stop 'home' first." in said
    moved = shell.json("experiments", "step", "home")
    assert (moved["move"], moved["share"]) == ("stay", 0.1)
    assert shell("experiments", "step", "home").startswith("stay 10% of the traffic: step 1, which is not over.")
    Path("same.toml").write_text("alpha = 0.01\n")
    assert "nothing of 'home.2' changes" in shell("experiments", "revise", "home", "same.toml", code=2)
    assert "there is no file nope.toml" in shell("experiments", "revise", "home", "nope.toml", code=4)


def test_power_from_numbers(shell: Shell) -> None:
    numbers = ["--metric", "purchase_rate", "--baseline", "0.1", "--users-per-day", "1000", "--rule", "fixed"]
    said = shell("experiments", "power", *numbers, "--change", "5%")
    assert "Purchase rate: 10.0%. As given." in said
    assert "One comparison, error rate 0.05, power 80%, one look." in said
    assert "To find +0.50 points (+5.0%): 114,000 users, which takes 114 days." in said
    found = shell.json("experiments", "power", *numbers, "--days", "3", "--change", "-0.005")
    assert [day["day"] for day in found["days"]] == [1, 2, 3]
    assert found["days"][2]["change"] == pytest.approx(detectable_change(0.09, 3000), rel=1e-9)
    assert found["needed"]["day"] == 114
    more = shell.json(
        "experiments", "power", *numbers, "--treatments", "3", "--adjust", "dunnett", "--correlation", "0.5"
    )
    assert more["alpha_each"] == pytest.approx(0.0188, abs=1e-4)
    assert more["design"]["pair"] == 0.5
    looks = shell("experiments", "power", *numbers[:-1], "group-sequential", "--looks", "4")
    assert "4 planned looks, for 1.02 times the users of one look." in looks
    refused = shell("experiments", "power", *numbers, "--looks", "4", code=2)
    assert "a number of looks is given, and no rule that plans them; add --rule group-sequential." in refused


def test_power_of_an_experiment(shell: Shell) -> None:
    numbers = ["--baseline", "0.2", "--deviation", "0.6", "--users-per-day", "500"]
    found = shell.json("experiments", "power", "--experiment", "home.toml", *numbers)
    assert (found["pilot"]["metric"], found["design"]["comparisons"]) == ("slate_ctr", 2)
    assert (found["design"]["share"], found["design"]["pair"]) == (pytest.approx(2 / 3), 0.75)
    assert found["inflation"] > 1.2
    assert found["pilot"]["variances"] == [pytest.approx(0.36)]


def test_power_from_the_store(shell: Shell) -> None:
    decisions, events = log()
    with Store("recloop.db") as store:
        store.append_decisions(decisions)
        store.append_events(events)
        table = user_table(
            store.decisions(until=5 * DAY + decisions[-1].time % DAY).with_columns(variant=pl.lit("x")), store.events()
        )
    found = shell.json("experiments", "power", "--history", "5", "--plot", "mde.svg", "--change", "10%")
    assert 0.2 < found["pilot"]["baseline"] < 0.3
    assert len(found["pilot"]["variances"]) == len(found["pilot"]["new_users"]) == 5
    assert sum(found["pilot"]["new_users"]) == found["pilot"]["users"]
    assert found["pilot"]["new_users"][0] > found["pilot"]["new_users"][-1]  # the regulars come first
    assert found["pilot"]["variances"][0] > found["pilot"]["variances"][-1]  # who comes back says more
    whole = Moments.of(table["clicked_slates"].to_numpy(), table["slates"].to_numpy())
    assert found["pilot"]["variances"][-1] == pytest.approx(whole.unit_variance, rel=0.15)
    assert Path("mde.svg").read_text().startswith("<svg")
    shell("experiments", "power", "--plot", "mde.html")
    assert "What an experiment on click rate can find" in Path("mde.html").read_text()


def test_power_from_files(shell: Shell) -> None:
    decisions, events = log()
    frame = pl.DataFrame([{"id": d.id, "user": d.user, "time": d.time, "items": ["i1", "i2"]} for d in decisions])
    frame.write_parquet("decisions.parquet")
    done = [{"user": e.user, "item": e.item, "kind": e.kind, "time": e.time, "value": e.value} for e in events]
    pl.DataFrame(done, schema_overrides={"value": pl.Float64}).write_parquet("events.parquet")
    logged = shell.json("experiments", "power", "--from", "decisions.parquet", "--events", "events.parquet")
    assert 0.2 < logged["pilot"]["baseline"] < 0.3
    bought = shell.json("experiments", "power", "--from", "events.parquet", "--metric", "spend_per_user")
    assert bought["pilot"]["baseline"] > 0
    assert "days of events.parquet." in bought["pilot"]["said"]
    rng = np.random.default_rng(2)
    before = rng.normal(size=900)
    users = pl.DataFrame(
        {
            "user": [f"u{n}" for n in range(900)],
            "first": np.sort(rng.uniform(0, 3 * DAY, 900)),
            "spend": 10 + 3 * before + 4 * rng.normal(size=900),
            "earlier": before,
        }
    )
    users.write_csv("users.csv")
    plain = shell.json("experiments", "power", "--from", "users.csv", "--metric", "spend_per_user")
    fewer = shell.json(
        "experiments", "power", "--from", "users.csv", "--metric", "spend_per_user", "--covariate", "earlier"
    )
    assert fewer["design"]["correlation"] == pytest.approx(0.6, abs=0.05)
    ratio = fewer["days"][0]["change"] / plain["days"][0]["change"]
    assert ratio == pytest.approx(np.sqrt(1 - fewer["design"]["correlation"] ** 2), rel=1e-9)
    assert "it saves 3" in " ".join(fewer["sentences"])  # some 36% of the users


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--metric", "slate_cdr"], 2, "there is no metric 'slate_cdr'. Did you mean 'slate_ctr'?"),
        (["--baseline", "0.1"], 2, "nobody says how many users come; give --users-per-day."),
        (
            ["--baseline", "0.1", "--users-per-day", "9"],
            2,
            "click rate is no share of users, and nobody says how users",
        ),
        (
            ["--baseline", "2", "--users-per-day", "9", "--metric", "purchase_rate"],
            2,
            "the baseline is 2.0; a share of",
        ),
        (
            ["--baseline", "2", "--users-per-day", "9", "--deviation", "-1"],
            2,
            "the deviation is -1.0; it is not negative",
        ),
        (["--baseline", "0.1", "--from", "x.csv", "--users-per-day", "9"], 2, "give one of --baseline and --from"),
        (["--from", "nope.csv"], 4, "there is no file nope.csv"),
        (["--from", "home.toml"], 2, "home.toml is neither .parquet nor .csv"),
        (["--from", "bad.parquet"], 3, "bad.parquet cannot be read"),
        (["--from", "other.csv"], 3, "other.csv has the columns a, b, and click rate is not measured: it needs click"),
        (["--from", "log.csv", "--covariate", "b"], 2, "log.csv is a log, and has no covariate 'b'"),
        (["--from", "slates.parquet"], 2, "slates.parquet holds decisions, and nobody says what followed; name the"),
        (["--from", "users.csv", "--covariate", "agee"], 2, "there is no column 'agee'. Did you mean 'age'?"),
        (["--from", "users.csv", "--covariate", "age"], 3, "the column 'age' is the same for every user"),
        (
            ["--from", "users.csv", "--change", "much"],
            2,
            "the change is 'much'; 5% of the baseline, or 0.01 in its unit",
        ),
        (["--from", "users.csv", "--plot", "x.png"], 2, "the plot is x.png; a file that ends in .svg or .html"),
        (["--from", "users.csv", "--traffic", "0"], 2, "nobody takes part"),
        (["--from", "users.csv", "--experiment", "home.toml", "--treatments", "2"], 2, "leave --treatments out"),
        (["--store", "nope.db"], 4, "there is no store at nope.db"),
        (["--store", "empty.db"], 3, "the decisions of empty.db: there are none; serve some slates first"),
    ],
)
def test_what_power_cannot_do(shell: Shell, words: list[str], code: int, message: str) -> None:
    Path("bad.parquet").write_bytes(b"PAR1")
    Path("other.csv").write_text("a,b\n1,2\n")
    Path("log.csv").write_text("user,item,kind,time,b\nu,i,click,3,1\n")
    Path("users.csv").write_text("user,slates,clicked_slates,age\nu,3,1,5\nv,2,0,5\nw,4,3,5\n")
    pl.DataFrame({"id": ["d"], "user": ["u"], "time": [1.0], "items": [["i"]]}).write_parquet("slates.parquet")
    Store("empty.db").close()
    assert message in shell("experiments", "power", *words, code=code)
