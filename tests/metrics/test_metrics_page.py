import re
from pathlib import Path

import pytest

from recloop.metrics import CONVENTIONS, METRICS, Metric
from recloop.metrics.metric import Accuracy

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "reference" / "metrics.md").read_text()


@pytest.mark.parametrize("kind", METRICS.values(), ids=METRICS)
def test_every_metric_has_its_section_with_its_formula(kind: type[Metric]) -> None:
    assert f"### `{kind.id}`\n" in PAGE, f"docs/reference/metrics.md has no section for {kind.id}"
    section = re.split(r"\n##+ ", PAGE.split(f"### `{kind.id}`\n", 1)[1])[0]
    assert f"```{{math}}\n{kind.formula}\n```" in section
    assert {"higher": "Better is higher", "lower": "Better is\nlower", "zero": "Better is nearer to zero"}[
        kind.direction
    ].replace("\n", " ") in section.replace("\n", " ")
    assert kind.title.lower() in section.replace("\n", " ").lower()
    assert "Source: " in section


def test_no_section_without_a_metric() -> None:
    assert set(re.findall(r"^### `([a-z0-9-]+)`$", PAGE, re.MULTILINE)) == set(METRICS)


def test_the_table_of_conventions_is_whole() -> None:
    table = PAGE.split("## Conventions", 1)[1].split("\n## ", 1)[0]
    assert all(f"`{name}`" in table for name in CONVENTIONS)
    assert all(f"| `{kind.id}`" in table for kind in METRICS.values() if issubclass(kind, Accuracy))


@pytest.mark.parametrize("page", ["reference/metrics.md", "explanation/evaluation.md"])
def test_examples_run(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})
