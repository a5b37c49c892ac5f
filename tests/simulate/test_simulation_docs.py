"""The pages on simulation: blocks run, and the numbers in the formulas are those of the code."""

import re
from pathlib import Path

import pytest

from recloop.simulate import Traits, Worth
from recloop.simulate.catalogue import OWN, WEIGHTS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    "block", re.findall(r"```python\n(.*?)```", (DOCS / "reference/simulation.md").read_text(), re.DOTALL)
)
def test_the_reference_runs(block: str) -> None:
    exec(compile(block, "simulation.md", "exec"), {})


def test_the_formulas_hold_the_numbers_of_the_code() -> None:
    page = (DOCS / "explanation/simulation.md").read_text()
    formula = re.search(r"\\sigma\\bigl\((.*?)\\bigr\)", page).group(1)
    traits = Traits()
    told = [float(number) for number in re.findall(r"(?<![\w(])\d*\.\d+", formula)]
    assert told == [traits.taste, traits.appeal, traits.price, traits.redundancy, traits.fatigue, traits.owned]
    text = page.split("## What users do")[0]
    for weight in {*WEIGHTS.values(), OWN}:
        assert f"{weight:.2f}".lstrip("0") in text
    for decay in traits.decay:
        assert f"{decay:g}".lstrip("0") in page
    assert f"{traits.answers:.0%}" in page


def test_every_true_metric_is_named() -> None:
    page = (DOCS / "reference/simulation.md").read_text()
    assert all(f"`{name}`" in page for name in Worth._fields)
