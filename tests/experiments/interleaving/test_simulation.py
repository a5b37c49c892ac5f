"""The simulations of the benchmarks on fewer worlds: error rates, coverage, power, and sensitivity against A/B."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from recloop.stats import one_sample_size

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """Imports a script of the folder, and forgets all of them at the end."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> ModuleType:
        for one in ("validity", "validity_interleaving", "interleaving"):
            monkeypatch.delitem(importlib.sys.modules, one, raising=False)
        return importlib.import_module(name)

    yield load
    for one in ("validity", "validity_interleaving", "interleaving"):
        importlib.sys.modules.pop(one, None)


def test_error_rates_coverage_and_power(benchmark) -> None:
    rows = list(benchmark("validity_interleaving").rows(80, np.random.default_rng(7)))
    broken = [str(row) for row in rows if not row.holds]
    if broken:
        pytest.fail("\n".join(broken))
    assert sum(row.rule != "shown" for row in rows) >= 20
    found = {(row.name, row.what): row.observed for row in rows}
    assert found["interleaving, balanced", "false alarms, credit not corrected"] > 0.9
    assert found["interleaving, team-draft", "false alarms, 92 looks, fixed interval"] > 0.1


def test_interleaving_needs_fewer_users_than_an_ab_test(benchmark) -> None:
    """On simulated traffic, for a new version of a ranker that is somewhat better."""
    script = benchmark("interleaving")
    rng = np.random.default_rng(4)
    people = [script.WORLDS["a new version of a ranker"].person(rng) for _ in range(1500)]
    split, _ = script.split_size(people, rng)
    moments = script.mixed_moments(people, "team-draft", rng)
    assert moments.ratio > 0
    assert split > 3 * one_sample_size(moments.unit_variance, moments.ratio)
