"""What the pages on analysis say runs: their Python, and their plans."""

import re
import tomllib
from pathlib import Path

import pytest

from recloop.experiments import AnalysisPlan
from recloop.experiments.analysis.metric_plan import MetricPlan
from recloop.experiments.analysis.plan import ArmPlan, Columns

DOCS = Path(__file__).resolve().parents[3] / "docs"
HOW_TO = (DOCS / "how-to" / "analyze.md").read_text(encoding="utf-8")
REFERENCE = (DOCS / "reference" / "analysis.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [HOW_TO, REFERENCE], ids=["how-to", "reference"])
def test_python_runs(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "page", "exec"), {})
    if page == HOW_TO:
        assert capsys.readouterr().out.startswith("Ship new. Its revenue is")


def test_plans_are_plans() -> None:
    first, events = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", HOW_TO, flags=re.DOTALL))
    assert AnalysisPlan.parse(first).metrics["revenue"].winsorise == 0.999
    plan = AnalysisPlan.parse({**first, **events, "guardrails": []})
    assert plan.metrics["revenue"].before_days == 28


@pytest.mark.parametrize("kind", [AnalysisPlan, MetricPlan, ArmPlan, Columns])
def test_every_setting_has_its_place(kind: type) -> None:
    for name in kind.__struct_fields__:
        assert f"`{name}`" in REFERENCE, name
