"""``recloop ux problems``: from files and from a store; the sentence first, one document, one page."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from recloop.cli.main import recloop
from recloop.simulate.planted import planted
from recloop.store import Store
from recloop.types import Decision, Event, SlateItem

DAY = 86_400.0


def say(*words: str) -> str:
    done = CliRunner().invoke(recloop, ["ux", "problems", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ux")
    world = planted("cold", np.random.default_rng(4), slates=20_000)
    world.slates.write_parquet(folder / "slates.parquet")
    world.comments.with_columns(text=pl.lit("<script>alert(1)</script> empty page")).write_csv(folder / "comments.csv")
    return folder


FEW = ("--dimension", "tenure", "--dimension", "device", "--metric", "empty_rate", "--metric", "slate_ctr")


def test_files_to_a_sentence_a_document_and_a_page(files: Path) -> None:
    given = ("--slates", str(files / "slates.parquet"), "--comments", str(files / "comments.csv"), "--simulation", *FEW)
    told = say(*given, "--html", str(files / "page.html"))
    assert "do not ship · simulation" in told
    assert told.index("Empty slates rose") < told.index("metric")
    assert "tenure new" in told
    page = (files / "page.html").read_text()
    document = json.loads(say(*given, "--json"))
    assert document["simulation"] is True
    first = document["findings"][0]
    assert (first["metric"], first["slice"], first["kind"]) == ("empty_rate", {"tenure": "new"}, "primary")
    assert {one["because_of"] for one in document["findings"][1:]} <= {first["id"]}
    assert page.index("Empty slates rose") < page.index("Can the data be trusted?")
    assert "simulation: made-up shop" in page
    assert f'id="finding-{first["id"]}"' in page
    assert page.count("<svg") >= 2
    assert "<script>" not in page


def test_a_file_that_is_not_there() -> None:
    done = CliRunner().invoke(recloop, ["ux", "problems", "--slates", "nowhere.parquet"])
    assert "there is no file nowhere.parquet" in str(done.exception)


def test_the_store_is_read_with_its_context(tmp_path: Path) -> None:
    """Empty slates on one device of the request's context, for ten days; items bought before; an event of another."""
    import time

    rng = np.random.default_rng(0)
    now = time.time()
    with Store(tmp_path / "shop.db") as store:
        decisions, events = [], []
        for n in range(3000):
            when = now - float(rng.uniform(0.1, 21)) * DAY
            device = ("web", "ios")[n % 2]
            empty = device == "ios" and when > now - 8 * DAY and rng.random() < 0.5
            items = () if empty else tuple(SlateItem(f"i{k}", 1.0) for k in rng.choice(50, 3, replace=False))
            user = f"u{n % 300}"
            context = {"context.device": device, "profile.age": ("young", "old")[n % 300 % 2 if n % 7 else 0]}
            decisions.append(Decision(f"d{n}", user, when, items, "blend", release="r1", context=context, latency=0.05))
            if items and rng.random() < 0.3:
                events.append(Event(user, items[0].item, "click", when + 5, decision=f"d{n}"))
        store.append_decisions(decisions)
        store.append_events(events)
    document = json.loads(say("--store", str(tmp_path / "shop.db"), "--json"))
    first = document["findings"][0]
    assert (first["metric"], first["slice"]) == ("empty_rate", {"device": "ios"})
    assert first["cause"]["layer"] == "operations"
    joins = next(one for one in document["health"] if one["name"] == "joins")
    assert joins["sentence"].startswith("100.0% of ")
    assert document["slates"] == 3000


def test_an_experiment_that_is_not_there(tmp_path: Path) -> None:
    with Store(tmp_path / "shop.db"):
        pass
    done = CliRunner().invoke(
        recloop, ["ux", "problems", "--store", str(tmp_path / "shop.db"), "--experiment", "front"]
    )
    assert "front" in str(done.exception)
    done = CliRunner().invoke(recloop, ["ux", "problems", "--store", str(tmp_path / "shop.db")])
    assert "the store holds no slates of that time" in str(done.exception)
