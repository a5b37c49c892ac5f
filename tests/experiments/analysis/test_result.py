"""A result prints, plots and writes itself."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from recloop.errors import DataError, SettingError
from recloop.experiments import Analysis, analyze

Plan = dict[str, Any]


@pytest.fixture(scope="module")
def found(users: pl.DataFrame, plan: Plan) -> Analysis:
    return analyze(users, plan=plan, now=0.0)


def test_prints(found: Analysis) -> None:
    text = str(found)
    assert text.splitlines()[0].startswith("Ship new. Its revenue per user is")
    for part in ("Effects", "Guardrails", "Segments", "without covariates and cap", "country = at", "held"):
        assert part in text
    assert all(len(line) <= 118 for line in text.splitlines())
    assert repr(found) == text


def test_json(found: Analysis, tmp_path: Path) -> None:
    document = json.loads(found.to_json(tmp_path / "a.json"))
    assert document == json.loads((tmp_path / "a.json").read_text())
    assert document["verdict"]["verdict"] == "ship"
    assert document["readout"]["comparisons"][0]["metric"] == "revenue"


def test_parquet(found: Analysis, tmp_path: Path) -> None:
    found.to_parquet(tmp_path / "a.parquet")
    table = pl.read_parquet(tmp_path / "a.parquet")
    assert table.equals(found.table)
    assert table.filter(pl.col("segment").is_null())["metric"].to_list() == ["revenue", "spend", "bought"]
    assert table.filter(segment="country")["value"].unique().sort().to_list() == ["at", "be", "cz"]


def test_markdown(found: Analysis, tmp_path: Path) -> None:
    text = found.to_markdown(tmp_path / "a.md")
    assert text == (tmp_path / "a.md").read_text()
    assert "| revenue per user * |" in text
    assert "\n\\* decides; " in text  # no list
    assert "- **traffic (green)** Traffic was split as planned" in text


class Loads(HTMLParser):
    """What a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [str(value) for name, value in attributes if name in {"src", "href"}]


def test_a_page_loads_nothing(found: Analysis, tmp_path: Path) -> None:
    text = found.to_html(tmp_path / "a.html")
    page = Loads()
    page.feed(text)
    assert not page.found
    assert "script" not in page.tags
    assert page.tags.count("svg") == 4  # forest, cumulative, traffic, forest by country
    assert "default-src 'none'" in text
    assert found._repr_html_() in text


def test_names_are_escaped(users: pl.DataFrame, plan: Plan) -> None:
    metrics = {"revenue": {"title": "<script>alert(1)</script>"}, "bought": {}}
    text = analyze(users, plan={**plan, "metrics": metrics, "hypothesis": "<b>"}).to_html()
    assert "<script>" not in text
    assert "&lt;b&gt;" in text


def test_pictures(found: Analysis, tmp_path: Path) -> None:
    for name in ("forest", "cumulative", "traffic"):
        picture = getattr(found, name)()
        ET.fromstring(picture)
        picture.save(tmp_path / f"{name}.svg")
        assert "svg.chart" in (tmp_path / f"{name}.svg").read_text()
        ET.parse(tmp_path / f"{name}.svg")
        assert picture._repr_svg_().startswith("<svg ")
    assert "cz" in found.forest(segment="country")


def test_pictures_of_what_is_not_there_say_so(found: Analysis, users: pl.DataFrame, plan: Plan) -> None:
    with pytest.raises(SettingError, match=r"the plan has no segment 'contry'. Did you mean 'country'"):
        found.forest("contry")
    untimed = analyze(users.drop("time"), plan=plan)
    with pytest.raises(DataError, match="no effect by day: the data name no time of first exposure"):
        untimed.cumulative()
    with pytest.raises(DataError, match="no users by day: the data name no time of first exposure"):
        untimed.traffic()
    lost = analyze(users.filter((pl.col("variant") == "old") | (pl.col("user") % 3 > 0)), plan=plan)
    with pytest.raises(DataError, match="no effect by day: Traffic was not split as planned"):
        lost.cumulative()


def test_several_variants(users: pl.DataFrame, plan: Plan) -> None:
    three = users.with_columns(variant=pl.when(pl.col("user") % 3 == 0).then(pl.lit("other")).otherwise("variant"))
    variants = {"old": {"control": True}, "new": {}, "other": {}}
    found = analyze(three, plan={**plan, "variants": variants, "segments": []})
    assert "new against old" in str(found)
    assert "other against old" in str(found)
    assert "new" in found.forest()
