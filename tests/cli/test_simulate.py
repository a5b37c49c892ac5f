"""``recloop simulate``: a labelled comparison, a report, and errors that say the way out."""

import json
from pathlib import Path

import polars as pl
import pytest

from recloop.cli.main import main
from recloop.compose import policy_config
from recloop.data.dataset import Dataset
from recloop.loop.release import build_release
from recloop.service.server import background
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.testing.strategy import small_shop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shop = small_shop(users=120, items=30, length=8)
    events = shop.events.select("kind", "time").with_columns(
        user=shop.user_ids.array[shop.events["user"].to_numpy()].astype(str),
        item=shop.item_ids.array[shop.events["item"].to_numpy()].astype(str),
    )
    events.write_csv(tmp_path / "events.csv")
    (tmp_path / "recloop.toml").write_text('[data]\nevents = "events.csv"\n[simulate]\nfactors = 8\nvisits = 1.0\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *words])
    return int(ended.value.code or 0)


def test_the_whole_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("recloop.toml", "--strategy", "ials", "--days", "3", "--users", "50", "--k", "5")
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulation"] is True
    assert {line["policy"] for line in found["lines"]} == {"none", "random", "popular", "ials"}
    assert {one["name"] for one in found["fidelity"]} >= {"popularity", "history length", "held-out likelihood"}
    assert any("Attention falls" in note for note in found["notes"])
    page = (folder / "simulation.html").read_text()
    assert "No user saw these slates" in page
    assert "<script" not in page
    assert run(*words) == 0
    said = capsys.readouterr().out
    assert said.startswith("simulation 50 users, 3 days; no user saw these slates")
    assert "popular baseline" in said
    assert run("events.csv", "--days", "1", "--users", "20", "--html", "other.html", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["days"] == 1
    assert (folder / "other.html").exists()


def test_a_running_service_is_tried_beside_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = pl.read_csv(folder / "events.csv").with_columns(pl.col("user", "item").cast(pl.String))
    strange = pl.DataFrame({"user": ["else"] * 400, "item": ["unknown"] * 400}).with_columns(
        kind=pl.lit(log["kind"][0]), time=pl.lit(log["time"][0], log["time"].dtype)
    )
    shop = Dataset.of(pl.concat([log, strange.select(log.columns)]))  # it shows first what the simulator does not know
    release = build_release(
        folder / "release", name="one", version=1, dataset=shop, strategies={"popular": Popular().fit(shop)},
        policies={"popular": policy_config({"sources": ["popular"], "fallback": ""})}, default_policy="popular",
        created=0.0,
    )  # fmt: skip
    with background(folder / "store.db", release=release, port=0, log=None, seed=1) as server:
        words = ("recloop.toml", "--service", server.url, "--days", "2", "--users", "30", "--k", "5", "--json")
        assert run(*words) == 0
    found = {line["policy"]: line for line in json.loads(capsys.readouterr().out)["lines"]}
    assert set(found) == {"none", "random", "popular", "service"}
    with Store(folder / "store.db") as store:
        decisions, events = store.decisions(), store.events()
    assert decisions["user"].str.starts_with("simulated-").all()
    clicked = events.filter(pl.col("decision").is_not_null()).join(decisions, left_on="decision", right_on="id")
    assert clicked.height > 0
    shown = clicked["items"].to_list()
    assert all(item in row for item, row in zip(clicked["item"].to_list(), shown, strict=True))
    assert "unknown" in {row[0] for row in shown}
    assert "unknown" not in set(clicked["item"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--baseline", "populer"), "the baseline is 'populer'. Did you mean 'popular'?"),
        (("--policy", "p"), "the policy 'p' is of no release; name its folder with --release."),
        (("--strategy", "eese"), "there is no strategy 'eese'. Did you mean 'ease'?"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert folder.exists()
    assert run("recloop.toml", *words) in {2, 4}
    assert sentence in capsys.readouterr().err


def test_a_misspelt_knob_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = folder / "recloop.toml"
    plan.write_text(plan.read_text().replace("factors", "factor"))
    assert run("recloop.toml") == 2
    assert "[simulate] has no setting 'factor'. Did you mean 'factors'?" in capsys.readouterr().err
