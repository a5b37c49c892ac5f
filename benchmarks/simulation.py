"""How fast policies are tried on simulated users in process, by stage, and how near the simulator is to its log.

    python benchmarks/simulation.py [--users 2000] [--days 14] [--data ml-1m]

The simulator is fitted to real ratings where RECLOOP_TEST_DATA has them, else to a synthetic shop. An interaction is an
item shown to a user or taken without a slate. CPU seconds are those of this process. All behaviour is a simulation.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import polars as pl

from recloop.compose import SlateConfig, build
from recloop.data.dataset import Dataset
from recloop.simulate import World
from recloop.simulate.fitted import InProcess, Simulate, compare, fidelity, fit_world
from recloop.simulate.fitted.crowd import gather
from recloop.strategies import make

STRATEGIES = ("popular", "random", "ials", "transitions", "ease")


def data(name: str) -> tuple[str, Dataset]:
    """The log, and what it is called."""
    folder = Path(os.environ.get("RECLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    path = folder / "ml-1m" / "ratings.parquet"
    if name == "ml-1m" and path.is_file():
        table = pl.read_parquet(path).sort("user", "order", nulls_last=True)
        return "MovieLens-1M", Dataset.of(table.select("user", "item"))
    return "synthetic shop", World(seed=1, users=2000, items=1000).dataset()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2000, help="who come")
    parser.add_argument("--days", type=int, default=14, help="simulated days")
    parser.add_argument("--data", choices=("ml-1m", "shop"), default="ml-1m", help="what is simulated")
    options = parser.parse_args()
    name, log = data(options.data)
    start = time.process_time()
    world = fit_world(log, Simulate(visits=0.5), rng=np.random.default_rng(0))
    print(f"{name}: {log.n_users:,} users, {log.n_items:,} items, {log.n_events:,} events; "
          f"fitted in {time.process_time() - start:.1f} CPU s")  # fmt: skip
    for one in fidelity(world, rng=np.random.default_rng(1)).measures:
        print(f"  {one.name:<24}{one.value:8.3f}   floor {one.floor:.3f}   better: {one.better}")
    crowd = gather(world, np.random.default_rng(2), days=options.days, users=options.users)
    print(f"{'policy':<14}{'interactions':>13}{'CPU s':>8}{'per CPU s':>11}{'million/min':>13}  shares of CPU")
    for strategy in STRATEGIES:
        policy = build(SlateConfig(sources=[strategy], fallback=""), {strategy: make(strategy).fit(log)})
        found = compare(world, crowd, {strategy: InProcess(policy, log.item_ids)}, days=options.days,
                        baseline=strategy)  # fmt: skip
        ran = found.runs[strategy]
        seconds = sum(ran.seconds.values())
        shares = ", ".join(f"{stage} {100 * spent / seconds:.0f}%" for stage, spent in ran.seconds.items())
        each = ran.interactions / seconds
        print(f"{strategy:<14}{ran.interactions:>13,}{seconds:8.1f}{each:11,.0f}{each * 60 / 1e6:13.1f}  {shares}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
