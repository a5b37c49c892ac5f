"""The pages: verdict first, self-contained, escaped, whole in a real browser at both widths."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.data.check import check
from recloop.data.source import Source, read
from recloop.data.split import split
from recloop.evaluate import evaluate
from recloop.experience.scorecard import scorecard
from recloop.experiments import Experiment, Variant, decide, read_out
from recloop.report.check_page import check_page
from recloop.report.report import Reproduction, Trial, Truth, report
from recloop.simulate import World
from recloop.strategies import make

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=2, users=200, items=90, days=15)


@pytest.fixture(scope="module")
def found(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("log")
    world.log().write_csv(folder / "events.csv")
    world.items.write_csv(folder / "<b>items.csv")
    return check(read(Source(events=str(folder / "events.csv"), items=str(folder / "<b>items.csv")))).to_dict()


@pytest.fixture(scope="module")
def results(world: World) -> dict[str, object]:
    parted = split(world.dataset(), "temporal")
    strategies = {name: make(name).fit(parted.train) for name in ("random", "popular", "ease")}
    return evaluate(parted, strategies, ["ndcg@10", "recall@10", "coverage@10", "rmse"]).to_dict()


@pytest.fixture(scope="module")
def trial() -> Trial:
    rng = np.random.default_rng(1)
    n = 900
    variant = np.array(["random", "popular", "composed"])[np.arange(n) % 3]
    slates = rng.integers(1, 6, n)
    rate = np.select([variant == "random", variant == "popular"], [0.1, 0.25], 0.4)
    clicked = rng.binomial(slates, rate)
    table = pl.DataFrame(
        {
            "variant": variant,
            "user": [f"u{i}" for i in range(n)],
            "first": 1.7e9 + np.arange(n) * 600.0,
            "last": 1.7e9 + np.arange(n) * 600.0,
            "slates": slates,
            "clicked_slates": clicked,
            "abandoned": slates - clicked,
        }
    )
    experiment = Experiment(
        name="home",
        planned_users=900,
        variants={
            "random": Variant(policy="random", control=True),
            "popular": Variant(policy="popular", control=True),
            "composed": Variant(policy="composed"),
        },
    )
    readout = read_out(experiment, table, 1.8e9)
    return Trial(experiment, readout, decide(experiment, readout), scorecard(table, "composed", ["random", "popular"]))


@pytest.fixture(scope="module")
def page(results: dict[str, object], found: dict[str, object], trial: Trial) -> str:
    return report(
        title="Does <script>it</script> work?",
        results=results,
        check=found,
        reproduction=Reproduction("recloop run", [("seed", "0")]),
        now=1.8e9,
        tested=trial,
        truth=Truth(True, "The world agrees."),
        tiles=[("users", "900")],
        simulation=True,
    )


def test_the_verdict_stands_before_everything_else(page: str, trial: Trial) -> None:
    text = re.sub(r"<[^>]+>", " ", page.split("<h2>", maxsplit=1)[0])
    assert "Ship composed." in text
    assert trial.verdict.verdict == "ship"
    assert page.index("Ship composed.") < page.index("The experiment") < page.index("Judged on held-out data")


def test_a_simulation_is_labelled(page: str, results: dict[str, object], found: dict[str, object]) -> None:
    assert "simulation: made-up shop" in page
    real = report(title="t", results=results, check=found, reproduction=Reproduction("recloop run", []), now=1.8e9)
    assert "simulation" not in real.split("</style>")[1]
    assert "try it on users before you believe it" in real


def test_it_is_one_small_file_that_loads_nothing(page: str) -> None:
    assert len(page.encode()) < 2_000_000
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG, which nothing fetches
    assert "<script" not in page and "default-src 'none'" in page
    assert not re.search(r"(src|href)=", page)


def test_text_of_others_is_escaped(page: str, found: dict[str, object]) -> None:
    assert "&lt;script&gt;it&lt;/script&gt;" in page
    assert "<b>items" not in check_page(found, 1.8e9)


def test_what_could_not_be_computed_says_why(page: str) -> None:
    assert "rmse of random, popular, ease: " in page


def test_a_hidden_readout_shows_no_numbers(results: dict[str, object], found: dict[str, object], trial: Trial) -> None:
    table = pl.DataFrame(
        {"variant": ["random"] * 300 + ["popular"] * 200 + ["composed"] * 300, "user": [f"u{i}" for i in range(800)]}
    ).with_columns(slates=pl.lit(2), clicked_slates=pl.lit(1))
    broken = read_out(trial.experiment, table, 1.8e9)
    told = Trial(trial.experiment, broken, decide(trial.experiment, broken))
    text = report(title="t", results=results, check=found, reproduction=Reproduction("x", []), now=1.8e9, tested=told)
    assert "Do not read this experiment" in text
    assert "<h2>The experiment</h2>" not in text


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", ["report", "check"])
def test_nothing_sticks_out_in_a_browser(
    page: str, found: dict[str, object], tmp_path: Path, width: int, which: str
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    (tmp_path / "page.html").write_text(page if which == "report" else check_page(found, 1.8e9), encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f"<!doctype html><body><iframe id=f src='page.html' style='width:{width}px;height:900px;border:0'></iframe>"
        "<script>f.onload = () => { const d = f.contentDocument.documentElement;"
        "document.body.dataset.found = d.scrollWidth + ' ' + d.querySelectorAll('svg.chart').length; }</script>",
        encoding="utf-8",
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", "--allow-file-access-from-files", "--dump-dom"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000", "--window-size=1400,1000"]
    dom = subprocess.run(
        [chromium, *options, (tmp_path / "frame.html").as_uri()], capture_output=True, text=True, timeout=60
    ).stdout
    scroll, charts = map(int, re.search(r'data-found="(\d+) (\d+)"', dom).groups())
    assert scroll <= width
    assert charts >= (4 if which == "report" else 2)
