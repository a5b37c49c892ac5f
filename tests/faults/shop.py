"""A small shop with two releases, the service as a process of its own, and a count of what went wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.loop.release import build_release
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular

ITEMS = 40
DAY = 86_400.0


@dataclass
class Tally:
    """What one fault did: how often it was tried, what was lost or twice there, and which answers were wrong."""

    fault: str
    tries: int = 0
    lost: set[str] = field(default_factory=set)
    duplicated: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def row(self) -> tuple[str, int, int, int, int]:
        return self.fault, self.tries, len(self.lost), len(self.duplicated), len(self.wrong)

    def kept(self, acknowledged: set[str], found: list[str]) -> None:
        """What was acknowledged must be found, and nothing twice."""
        there = set(found)
        self.lost |= acknowledged - there
        if len(there) != len(found):
            self.duplicated |= {one for one in there if found.count(one) > 1}

    def expect(self, right: bool, otherwise: object) -> None:
        """An answer that must be right."""
        if not right:
            self.wrong.append(str(otherwise)[:200])


def log_of() -> Dataset:
    rng = np.random.default_rng(7)
    users = np.repeat(np.arange(60), 8)
    items = (rng.integers(0, ITEMS, len(users)) * rng.random(len(users))).astype(int)
    log = pl.DataFrame(
        {
            "user": [f"u{user}" for user in users],
            "item": [f"i{item}" for item in items],
            "kind": "view",
            "time": np.arange(len(users), dtype=np.float64),
        }
    )
    return Dataset.of(log, pl.DataFrame({"item": [f"i{number}" for number in range(ITEMS)]}))


def released(folder: Path) -> dict[str, Path]:
    shop = log_of()
    strategies = {"popular": Popular().fit(shop), "item-knn": ItemKNN().fit(shop)}
    policies = {
        "popular": SlateConfig(sources=["popular"], fallback=""),
        "blend": SlateConfig(sources=["item-knn", "popular"], fallback="popular"),
    }
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


class Service:
    """``recloop serve`` in a process of its own."""

    def __init__(self, store: Path | str, release: Path | None = None, words: Sequence[str] = (), **how: Any) -> None:
        serve = [sys.executable, "-m", "recloop", "serve", "--port", "0", "--json", "--quiet", "--store", str(store)]
        self.process = subprocess.Popen(
            [*serve, *words, *(["--release", str(release)] if release else [])],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **how,
        )
        assert self.process.stdout is not None
        lines = []
        while (line := self.process.stdout.readline()) and line != "}\n":
            lines.append(line)
        self.url = json.loads("".join([*lines, "}"]))["url"] if lines else ""

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)

    def workers(self) -> list[int]:
        """The processes that it has started."""
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return sorted(map(int, told.split()))

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=30)

    def end(self) -> int:
        """Ask for an orderly end; the exit code."""
        self.process.terminate()
        self.process.communicate(timeout=60)
        return self.process.returncode

    def memory(self) -> int:
        """Bytes in memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError

    def handles(self) -> int:
        """Files and sockets that are open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def batch(prefix: str, size: int, user: str = "u1", time: float | None = None) -> dict[str, Any]:
    events = [
        {"user": user, "item": f"i{number % ITEMS}", "kind": "click", "id": f"{prefix}-{number}", "time": time}
        for number in range(size)
    ]
    return {"events": events}
