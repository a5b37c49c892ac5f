"""The long simulation of benchmarks/validity.py on fewer worlds: every promised error rate, coverage and power."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "validity.py"


def test_error_rates_coverage_and_power() -> None:
    spec = importlib.util.spec_from_file_location("validity", BENCHMARK)
    assert spec
    assert spec.loader
    validity = importlib.util.module_from_spec(spec)
    sys.modules["validity"] = validity
    try:
        spec.loader.exec_module(validity)
        rows = list(validity.table(worlds=400, seed=7))
    finally:
        del sys.modules["validity"]
    assert sum(row.rule != "shown" for row in rows) >= 20
    broken = [str(row) for row in rows if not row.holds]
    if broken:
        pytest.fail("\n".join(broken))
    found = {(row.name, row.what): row.observed for row in rows}
    assert found["normal", "false alarms, 100 looks, fixed interval"] > 0.25  # the promise would be broken without
    assert found["clicks per slate (ratio)", "false alarms, slates taken as units"] > 0.12
