import re
from pathlib import Path

import recloop.language

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "language.md"


def test_the_code_of_the_page_runs():
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), scope)
    assert scope["mood"]


def test_every_public_name_has_its_paragraph():
    page = PAGE.read_text()
    for name in recloop.language.__all__:
        assert name in page, f"{PAGE.name} does not name {name}"
