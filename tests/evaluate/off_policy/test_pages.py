"""The code of the pages on off-policy evaluation runs as printed."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize(("page", "blocks"), [("how-to/off-policy.md", 2), ("reference/off-policy.md", 1)])
def test_the_code_of_the_page_runs(page: str, blocks: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(found) == blocks
    scope: dict[str, object] = {}
    for block in found:
        exec(compile(block, page, "exec"), scope)
    if "how-to" in page:
        assert capsys.readouterr().out.startswith("books-first would have earned 0.1")
