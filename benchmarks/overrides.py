"""What overrides cost a slate: the same requests with none, with one of each, and where the effect is measured.

    OMP_NUM_THREADS=1 python benchmarks/overrides.py

CPU time of this process, not wall time. The catalogue and the log are made up.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from recloop.app import overrides as measured
from recloop.app.engine import Engine
from recloop.app.overrides import OverrideWish, add_override
from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.loop.release import build_release, load
from recloop.store import Store
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.types import Request

USERS, ITEMS, EVENTS = 2_000, 5_000, 60_000
WISHES = (
    OverrideWish("pin", ["i7"], "benchmark", "nobody", place=2),
    OverrideWish("boost", ["i8", "i9"], "benchmark", "nobody"),
    OverrideWish("hide", ["i10"], "benchmark", "nobody", segment={"profile.gender": "female"}),
    OverrideWish("ban", ["i11"], "benchmark", "nobody"),
)


def main() -> None:
    """Print one JSON line: CPU milliseconds a slate, and the ratio to no override."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000, help="slates that are timed in each row")
    requests = parser.parse_args().requests
    rng = np.random.default_rng(0)
    items = (ITEMS * rng.random(EVENTS) ** 3).astype(int)
    log = pl.DataFrame(
        {"user": rng.integers(0, USERS, EVENTS).astype(str), "item": [f"i{one}" for one in items],
         "time": np.arange(EVENTS, dtype=float)}
    )  # fmt: skip
    shop = Dataset.of(log)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release = load(
            build_release(
                folder / "release", name="one", version=1, dataset=shop,
                strategies={"item-knn": ItemKNN().fit(shop), "popular": Popular().fit(shop)},
                policies={"blend": SlateConfig(sources=["item-knn", "popular"], fallback="popular")},
                default_policy="blend", created=0.0,
            )
        )  # fmt: skip
        asked = [Request(user=str(user), profile={"gender": "female"}) for user in rng.integers(0, USERS, requests)]
        found = {"none": cost(folder / "none.db", release, asked, (), 0.0)}
        for label, share in (("four", 0.0), ("four, a tenth measured", 0.1), ("four, all measured", 1.0)):
            found[label] = cost(folder / f"{share}.db", release, asked, WISHES, share)
    base = found["none"]
    print(json.dumps({label: {"ms": round(ms, 3), "ratio": round(ms / base, 2)} for label, ms in found.items()}))


def cost(file: Path, release: object, asked: list[Request], wishes: tuple[OverrideWish, ...], share: float) -> float:
    """CPU milliseconds of one slate."""
    measured.MEASURED = share
    with Store(file) as store:
        for wish in wishes:
            add_override(store, wish, release, now=time.time())  # type: ignore[arg-type]
        engine = Engine(store, release, seed=1)  # type: ignore[arg-type]
        engine.overrides.follow()
        for request in asked[:50]:
            engine.decide(request)
        start = time.process_time()
        for request in asked:
            engine.decide(request)
        return (time.process_time() - start) / len(asked) * 1e3


if __name__ == "__main__":
    main()
