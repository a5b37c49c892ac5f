"""docs/how-to/cheaper-experiments.md: its code runs, with the widths that it tells."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "cheaper-experiments.md"


def test_the_code_of_the_page_runs() -> None:
    pytest.importorskip("openvino", reason="the extra 'text' is not installed")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), scope)
    assert len(blocks) == 6
    assert scope["features"].shape == (2, 2)
