"""Every layout, setting and split of the data floor has its place in the reference."""

from dataclasses import fields
from pathlib import Path

import pytest

from recloop.data.formats import FORMATS
from recloop.data.source import Source
from recloop.data.split import SPLITTERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "data.md").read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_layouts(name: str) -> None:
    assert f"| `{name}` |" in PAGE


def test_layouts_stand_in_the_order_in_which_they_are_tried() -> None:
    table = PAGE.split("## Layouts")[1].split("Each may be gzipped")[0]
    assert [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")] == list(FORMATS)


@pytest.mark.parametrize("entry", fields(Source), ids=lambda entry: entry.name)
def test_settings_of_data(entry: object) -> None:
    assert f"`{entry.name}`" in PAGE.split("## Layouts")[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SPLITTERS)
def test_splits_and_their_settings(name: str) -> None:
    general, section = (
        PAGE.split("## Splits")[1].split(f"### `{name}`")[0],
        PAGE.split(f"### `{name}`")[1].split("\n##")[0],
    )
    for entry in fields(SPLITTERS[name]):
        assert f"`{entry.name}`" in section or f"`{entry.name}`" in general
    assert "*Leaks:*" in section
