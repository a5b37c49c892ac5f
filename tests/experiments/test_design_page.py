"""The page on design under test: every setting has its line, and its blocks run."""

import re
from pathlib import Path

import msgspec

from recloop.experiments import Experiment

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGE = (DOCS / "design.md").read_text()


def test_every_setting_has_its_line() -> None:
    lines = PAGE + (DOCS / "experiments.md").read_text()
    for field in msgspec.structs.fields(Experiment):
        assert re.search(rf"^\|[^|]*`{field.name}`[^|]*\|", lines, re.MULTILINE), f"no line tells of {field.name}"


def test_examples_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "design.md", "exec"), {})
