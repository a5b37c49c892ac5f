"""The simulation of benchmarks/validity_sequential.py on fewer worlds: every rule keeps its error rate."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_error_rates_and_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("validity_sequential", BENCHMARKS / "validity_sequential.py")
    assert spec
    assert spec.loader
    sequential = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "validity_sequential", sequential)
    try:
        spec.loader.exec_module(sequential)
        rows = list(sequential.rows(400, np.random.default_rng(4)))
    finally:
        sys.modules.pop("validity", None)
    assert sum(row.rule != "shown" for row in rows) > 40
    broken = [str(row) for row in rows if not row.holds]
    if broken:
        pytest.fail("\n".join(broken))
    found = {(row.name, row.what): row.observed for row in rows}
    assert found["fixed, ended when significant", "false alarms, 100 looks, normal"] > 0.25
    assert found["always valid", "width at the end / one look's"] <= 1.35
    power = "power where one look has 0.80"
    assert found["always valid", power] > found["normal mixture", power] + 0.08
