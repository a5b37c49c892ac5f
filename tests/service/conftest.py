"""A small shop with real strategies, released, and served by the real server."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.loop.release import build_release
from recloop.service.server import background
from recloop.store import Store
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random

PROCESS = Path(__file__).parent / "process.py"


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two releases: ``one`` serves ``blend``, ``two`` serves ``popular``."""
    rng = np.random.default_rng(7)
    users = np.repeat(np.arange(60), 8)
    items = (rng.integers(0, 40, len(users)) * rng.random(len(users))).astype(int)
    log = pl.DataFrame(
        {
            "user": [f"u{user}" for user in users],
            "item": [f"i{item}" for item in items],
            "kind": "view",
            "time": np.arange(len(users), dtype=np.float64),
        }
    )
    films = pl.DataFrame(
        {
            "item": [f"i{n}" for n in range(40)],
            "category": ["Horror" if n % 4 == 0 else "Comedy|Drama" for n in range(40)],
            "year": [1980 + n for n in range(40)],
        }
    )
    shop = Dataset.of(log, films)
    strategies = {"random": Random().fit(shop), "popular": Popular().fit(shop), "item-knn": ItemKNN().fit(shop)}
    policies = {
        "random": SlateConfig(sources=["random"], fallback=""),
        "popular": SlateConfig(sources=["popular"], fallback=""),
        "blend": SlateConfig(sources=["item-knn", "popular"], fallback="popular"),
    }
    folder = tmp_path_factory.mktemp("releases")
    return {
        name: build_release(
            folder / name,
            name=name,
            version=version,
            dataset=shop,
            strategies=strategies,
            policies=policies,
            default_policy=default,
            created=0.0,
        )
        for version, (name, default) in enumerate((("one", "blend"), ("two", "popular")), 1)
    }


class Process:
    """A service in a process of its own."""

    def __init__(self, store: Path | str, release: Path | None, **options: object) -> None:
        words = [sys.executable, str(PROCESS), str(store), str(release or ""), json.dumps(options)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def end(self, signal: int) -> tuple[int, str]:
        """Send a signal; its exit code and what it wrote to its log."""
        if self.process.poll() is None:
            self.process.send_signal(signal)
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts services, and kills at the end those that still run."""
    started: list[Process] = []

    def begin(store: Path | str, release: Path | None, **options: object) -> Process:
        started.append(Process(store, release, **options))
        return started[-1]

    yield begin
    for one in started:
        one.end(9)


@pytest.fixture
def serving(releases: dict[str, Path], tmp_path: Path) -> Callable[..., object]:
    """``with serving(**options) as (client, store)``: a fresh service on release ``one``, in a thread."""

    @contextmanager
    def begin(**options: object) -> Iterator[tuple[httpx.Client, Store]]:
        how = {"release": releases["one"], "port": 0, "log": None, "seed": 1} | options
        with (
            background(tmp_path / "store.db", **how) as server,
            httpx.Client(base_url=server.url, timeout=20) as client,
            Store(tmp_path / "store.db") as store,
        ):
            yield client, store

    return begin


@pytest.fixture
def service(serving: Callable[..., object]) -> Iterator[tuple[httpx.Client, Store]]:
    """A client of a fresh service, and its store."""
    with serving() as (client, store):
        yield client, store
