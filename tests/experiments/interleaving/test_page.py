"""The page about interleaving: every setting and method stands there, and its examples run."""

import re
import tomllib
from pathlib import Path

import pytest

from recloop.experiments.interleaving import METHODS, Interleaving

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "interleaving.md").read_text()


@pytest.mark.parametrize("name", [*Interleaving.__struct_fields__, *METHODS])
def test_every_setting_and_method_has_its_row(name: str) -> None:
    assert f"\n| `{name}` |" in PAGE


def test_the_examples_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    space: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "interleaving.md", "exec"), space)


def test_the_definition_is_one() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert Interleaving.parse(tomllib.loads(text)).policies == ("popular", "blend")
