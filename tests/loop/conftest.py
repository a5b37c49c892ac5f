from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.compose import PolicyConfig, SlateConfig, ThompsonConfig
from recloop.data.dataset import Dataset
from recloop.data.kinds import Kinds
from recloop.loop.plan import Plan
from recloop.loop.release import build_release
from recloop.strategies.ease import Ease
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A small log with tastes and times, and its catalogue."""
    rng = np.random.default_rng(3)
    taste = rng.integers(0, 3, 80)
    user = np.repeat(np.arange(80), 15)
    item = (taste[user] * 10 + rng.integers(0, 12, len(user))) % 30
    pl.DataFrame(
        {
            "user": [f"u{one}" for one in user],
            "item": [f"i{one:02d}" for one in item],
            "time": rng.permutation(len(user)) * 3600 + 1_600_000_000,
        }
    ).write_csv(tmp_path / "events.csv")
    pl.DataFrame(
        {
            "item": [f"i{one:02d}" for one in range(30)],
            "title": [f"thing {one}" if one else "" for one in range(30)],
            "category": [("cups", "lamps", "hats")[one // 10] for one in range(30)],
        }
    ).write_csv(tmp_path / "items.csv")
    return tmp_path


@pytest.fixture
def table() -> dict[str, Any]:
    """A plan over the shop as a plain table."""
    return {
        "data": {"events": "events.csv", "items": "items.csv"},
        "strategies": {"use": ["ease", "transitions"], "ease": {"reg": 10.0}},
        "metrics": {"names": ["ndcg", "recall", "coverage", "diversity"], "k": [5]},
        "policy": {"diversity": 0.1},
    }


@pytest.fixture
def plan(shop: Path, table: dict[str, Any]) -> Plan:
    return Plan.of(table, shop)


POLICIES: dict[str, PolicyConfig] = {
    "composed": SlateConfig(sources={"ease": 1.0, "popular": 0.5}, diversity=0.2),
    "popular": SlateConfig(sources=["popular"]),
    "learning": ThompsonConfig(arms={"a": SlateConfig(sources=["ease"]), "b": SlateConfig(sources=["random"])}),
}


@pytest.fixture
def log() -> Dataset:
    """A log with a catalogue in which one item is not available."""
    rng = np.random.default_rng(0)
    log = pl.DataFrame(
        {
            "user": rng.integers(0, 30, 300).astype(str),
            "item": rng.integers(0, 12, 300).astype(str),
            "kind": ["view"] * 300,
        }
    )
    items = pl.DataFrame(
        {
            "item": [str(one) for one in range(12)],
            "title": ["first", None, *["t"] * 10],
            "available": [True, False, None, *[True] * 9],
        }
    )
    return Dataset.of(log, items, kinds=Kinds(weights={"view": 0.5}, minimum={"rating": 4.0}))


@pytest.fixture
def policies() -> dict[str, PolicyConfig]:
    return POLICIES


@pytest.fixture
def write_release(log: Dataset) -> Callable[..., Path]:
    return partial(_write, log)


@pytest.fixture
def release(tmp_path: Path, write_release: Callable[..., Path]) -> Path:
    return write_release(tmp_path / "release")


def _write(data: Dataset, folder: Path, **changes: Any) -> Path:
    strategies = {"random": Random(seed=4), "popular": Popular(), "ease": Ease(reg=5.0)}
    for strategy in strategies.values():
        strategy.fit(data)
    settings: dict[str, Any] = {
        "name": "1-first",
        "version": 1,
        "dataset": data,
        "strategies": strategies,
        "policies": POLICIES,
        "default_policy": "composed",
        "vectors": np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32),
        "metrics": [{"strategy": "ease", "metric": "ndcg@10", "value": 0.3, "low": None, "high": None}],
        "plan_hash": "p",
        "created": 5.0,
    }
    return build_release(folder, **(settings | changes))
