"""What every accuracy benchmark shares: costs, user-bootstrap intervals, differences to the floor, the printed table.

A benchmark measures rows with ``Meter``, judges them with ``judge`` (or brings its own per-user values), and hands them
to a ``Board``, which prints them or, with ``--json``, writes them::

    arguments = options(__doc__)
    board = Board("warm, ML-1M", goal={"recall@20": 0.2802}, floor="popular")
    with Meter() as meter:
        strategy = Ease(reg=500).fit(train)
    board.add("ease", judge(strategy.rank(histories, 20), truth, histories, train, METRICS), meter)
    board.show(arguments)
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000  # of the bootstrap
ERRORS = ("mae", "rmse", "ece")
Values = Mapping[str, NDArray[np.float64]]  # metric → one number per user, NaN where undefined


def options(doc: str | None, **extra: Mapping[str, object]) -> argparse.Namespace:
    """The command line: ``--json`` and what the benchmark adds (``name={"type": int, ...}``)."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    for name, words in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **words)
    return parser.parse_args()


def data_folder() -> Path:
    """The folder with real data (RECLOOP_TEST_DATA); where it is not there, says so and ends without an error."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("RECLOOP_TEST_DATA", default)).resolve()
    if not folder.is_dir():
        print(f"not measured: no real data at {folder}; set RECLOOP_TEST_DATA")
        sys.exit(0)
    return folder


class Meter:
    """Wall and CPU seconds (of all threads) and the peak memory of the process inside a ``with`` block.

    The peak is that of the block where the kernel lets a process reset it (Linux), else that of the process so far. It
    holds everything that is resident, the data too.
    """

    seconds: float
    cpu: float
    peak: int

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):  # another system, or not allowed: the peak is then the process's
            Path("/proc/self/clear_refs").write_text("5")
        self._start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start[0]
        self.cpu = time.process_time() - self._start[1]
        self.peak = peak_bytes()


def peak_bytes() -> int:
    """The most memory that was resident since the last reset."""
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        unit = 1 if platform.system() == "Darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def judge(rankings, truth, histories, train, metrics: Sequence[str], *, allowed=None, vectors=None) -> Values:
    """Per-user values of recloop's own metrics, by name; coverage and popularity lift as pseudo-values.

    Args:
        rankings: n slates.
        truth: n sets of relevant items.
        histories: what the slates were made from.
        train: the dataset that popularity is counted in.
        metrics: names such as ``recall@20``.
        allowed: (n_items,) bool, what could be shown.
        vectors: (n_items, d), for diversity.
    """
    from recloop.metrics import Judged, item_users, parse_metrics

    judged = Judged(rankings, truth, histories, item_users(train), train.n_users, allowed=allowed, vectors=vectors)
    return {metric.name: metric.per_user(judged) for metric in parse_metrics(list(metrics))}


def bootstrap(values: NDArray[np.float64], seed: int = 0, draws: int = DRAWS) -> tuple[float, float, float]:
    """The mean and the 95% percentile interval over users drawn with replacement; NaN is left out.

    Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
    """
    values = values[~np.isnan(values)]
    n = len(values)
    if not n:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(n, size=n)].mean() for _ in range(draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


class Board:
    """Rows of one benchmark, each a method; the floor is judged on the same users.

    Args:
        title: what is measured.
        goal: metric → the value aimed at; names that start with an entry of ``ERRORS`` are better lower.
        floor: the name of the row that the others are compared with.
        published: name → metric → value, from papers, for reading only.
    """

    def __init__(
        self,
        title: str,
        *,
        goal: Mapping[str, float],
        floor: str,
        published: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self.title, self.goal, self.floor, self.published = title, dict(goal), floor, published or {}
        self._values: dict[str, Values] = {}
        self._costs: dict[str, dict[str, float]] = {}

    def add(self, name: str, values: Values, meter: Meter | None = None, **extra: float) -> None:
        """One row.

        Args:
            name: of the method.
            values: metric → (n,) per-user values, the users in the same order in every row.
            meter: what fitting cost.
            extra: further figures of the row, such as ``size_mb``.
        """
        costs = {} if meter is None else {"fit_s": meter.seconds, "cpu_s": meter.cpu, "peak_mb": meter.peak / 1e6}
        self._values[name], self._costs[name] = values, {**costs, **extra}

    def results(self) -> dict[str, object]:
        """Everything as plain values."""
        rows = {}
        for name, values in self._values.items():
            row: dict[str, object] = {}
            for metric, per_user in values.items():
                mean, low, high = bootstrap(per_user)
                row[metric] = {"mean": mean, "low": low, "high": high}
                floor = self._values.get(self.floor, {}).get(metric)
                if name != self.floor and floor is not None and metric in self.goal:
                    row[metric]["minus_floor"] = dict(
                        zip(("mean", "low", "high"), bootstrap(per_user - floor), strict=True)
                    )
            rows[name] = {"metrics": row, **self._costs[name]}
        return {
            "title": self.title,
            "goal": self.goal,
            "floor": self.floor,
            "published": self.published,
            "threads": os.environ.get("OMP_NUM_THREADS", "all"),
            "rows": rows,
        }

    def show(self, arguments: argparse.Namespace) -> None:
        """Print the table, or JSON where ``--json`` was given."""
        results = self.results()
        if arguments.json:
            print(json.dumps(results, indent=1))
            return
        print(f"{self.title}; goal: " + ", ".join(f"{name} {value:.4f}" for name, value in self.goal.items()))
        for name, row in results["rows"].items():
            print(f"\n{name}")
            for metric, cell in row["metrics"].items():
                line = f"  {metric:<20}{cell['mean']:8.4f}  ({cell['low']:.4f} to {cell['high']:.4f})"
                if "minus_floor" in cell:
                    gap = cell["minus_floor"]
                    line += f"  - {self.floor}: {gap['mean']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
                if metric in self.goal:
                    gain = cell["mean"] - self.goal[metric]
                    met = gain <= 0 if metric.startswith(ERRORS) else gain >= 0
                    line += "  reached" if met else f"  misses the goal by {abs(gain):.4f}"
                print(line)
            costs = ", ".join(f"{cost} {value:,.2f}" for cost, value in row.items() if cost != "metrics")
            if costs:
                print(f"  {costs}")
        for name, known in self.published.items():
            print(f"\npublished, {name}: " + ", ".join(f"{metric} {value:.4f}" for metric, value in known.items()))
