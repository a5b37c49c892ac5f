"""What reading an experiment from Parquet costs: against the bare aggregate that nobody can avoid, and against others.

    python benchmarks/analysis.py                      # 10 million users, 2 variants, 3 metrics with a covariate each
    python benchmarks/analysis.py --rows 100000000
    python benchmarks/analysis.py --same               # one answer from every source, 20 times, on a million users

The floor is one DuckDB query, as a careful engineer writes it: means, variances and covariances by variant
(``var_samp``, ``covar_samp``), or sums of raw squares, which are quicker and lose figures. The whole is ``analyze``:
looking at the columns, one query, Welch with covariates, Holm, checks, verdict, tables. Every row of the table is a
process of its own, run in turn with the others; its peak memory is that of the process with all that it imports.

Other libraries need another environment. Name its interpreter:

    python -m venv /somewhere && /somewhere/bin/pip install tea-tasting spotify-confidence 'ibis-framework[duckdb]'
    RECLOOP_PEERS=/somewhere/bin/python python benchmarks/analysis.py

They read the same files over DuckDB (each library's own way: tea-tasting through Ibis, spotify-confidence from sums
that a query of ours makes), after a warm-up run; imports are not timed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

METRICS = ("clicks", "minutes", "revenue")
PART = 1_000_000
PLAN = {
    "variants": {"old": {"control": True}, "new": {}},
    "metrics": {name: {"covariates": [f"{name}_before"]} for name in METRICS},
    "primary": "clicks",
    "rule": "fixed",
    "columns": {"unique": True},
}
OURS = {
    "recloop": PLAN,
    "recloop, users counted": {**PLAN, "columns": {}},
    "recloop, 20 segments": {**PLAN, "segments": ["country"]},
}
FLOORS = ("floor: var_samp", "floor: raw squares", "floor: var_samp, 20 segments")
PEERS = ("tea-tasting", "spotify-confidence")


def write(folder: Path, rows: int) -> None:
    """Files of a million users each, so that memory stays flat."""
    import numpy as np
    import polars as pl

    for place, start in enumerate(range(0, rows, PART)):
        rng = np.random.default_rng(place)
        n = min(PART, rows - start)
        new = rng.random(n) < 0.5
        taste = rng.gamma(2.0, 1.0, n)
        pl.DataFrame(
            {
                "user": np.arange(start, start + n),
                "variant": pl.Series(["old", "new"]).gather(new.astype(np.uint32)),
                "country": pl.Series([f"country {i}" for i in range(20)]).gather(rng.integers(0, 20, n)),
                "clicks": rng.poisson(taste * (1 + 0.002 * new)),
                "clicks_before": rng.poisson(taste),
                "minutes": taste * 10 + rng.normal(0, 3, n) + 20,
                "minutes_before": taste * 10 + rng.normal(0, 3, n) + 20,
                "revenue": np.where(rng.random(n) < 0.1, np.round(rng.lognormal(3, 1, n) * taste, 2), 0.0),
                "revenue_before": np.where(rng.random(n) < 0.1, np.round(rng.lognormal(3, 1, n) * taste, 2), 0.0),
            }
        ).write_parquet(folder / f"users-{place:03}.parquet")


# ---- what one process measures


def floor(name: str, files: str) -> Callable[[], object]:
    """The bare aggregate."""
    import duckdb

    by = "variant, country" if "segments" in name else "variant"
    columns = ["count(*)"]
    for y in METRICS:
        x = f"{y}_before"
        if "raw" in name:
            columns += [f"sum({y})", f"sum({x})", f"sum({y} * {y})", f"sum({x} * {x})", f"sum({y} * {x})"]
        else:
            columns += [f"avg({y})", f"avg({x})", f"var_samp({y})", f"var_samp({x})", f"covar_samp({y}, {x})"]
    query = f"SELECT {by}, {', '.join(columns)} FROM read_parquet('{files}') GROUP BY {by}"
    return lambda: duckdb.connect().execute(query).fetchall()


def ours(name: str, files: str) -> Callable[[], object]:
    """All of ``analyze``, printed."""
    from recloop.experiments.analysis import analyze

    return lambda: str(analyze(files, plan=OURS[name]))


def peer(name: str, files: str) -> Callable[[], object]:
    """Another library over DuckDB."""
    if name == "tea-tasting":
        import ibis
        import tea_tasting as tt

        experiment = tt.Experiment({y: tt.Mean(y, f"{y}_before") for y in METRICS}, variant="variant")
        # a connection of its own each time, as we open one
        return lambda: str(experiment.analyze(ibis.duckdb.connect().read_parquet(files), control="old"))
    import duckdb
    from spotify_confidence import ZTestLinreg

    sums = [
        f"sum({y}) AS {y}, sum({y} * {y}) AS {y}_2, sum({x}) AS {x}, sum({x} * {x}) AS {x}_2, sum({y} * {x}) AS {y}_x"
        for y in METRICS
        for x in [f"{y}_before"]
    ]
    query = f"SELECT variant, count(*)::DOUBLE AS n, {', '.join(sums)} FROM read_parquet('{files}') GROUP BY variant"

    def run() -> str:
        table = duckdb.connect().execute(query).df()
        found = []
        for y in METRICS:
            test = ZTestLinreg(
                table,
                numerator_column=y,
                numerator_sum_squares_column=f"{y}_2",
                denominator_column="n",
                categorical_group_columns="variant",
                feature_column=f"{y}_before",
                feature_sum_squares_column=f"{y}_before_2",
                feature_cross_sum_column=f"{y}_x",
            )
            found.append(str(test.difference("old", "new")))
        return "\n".join(found)

    return run


def measure(name: str, files: str, repeat: int) -> None:
    """Times of one way, as JSON."""
    task = (floor if name in FLOORS else ours if name in OURS else peer)(name, files)
    task()
    runs = []
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        task()
        runs.append((time.process_time() - cpu, time.perf_counter() - wall))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"runs": runs, "peak": peak}))


def rounds(names: list[tuple[str, str]], files: str, count: int, repeat: int) -> None:
    """Every way in turn, some times over, and the table."""
    found: dict[str, list[dict]] = {name: [] for name, _ in names}
    for _ in range(count):
        for name, python in names:
            words = [python, __file__, "--measure", name, "--files", files, "--repeat", str(repeat)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    cpu = {
        name: statistics.median(run[0] for one in parts for run in one["runs"])
        for name, parts in found.items()
        if parts
    }
    print(f"{'':<32} {'CPU s':>7} {'wall s':>7} {'peak MB':>8} {'of the floor':>13}")
    for name, parts in found.items():
        if not parts:
            continue
        wall = statistics.median(run[1] for one in parts for run in one["runs"])
        peak = max(one["peak"] for one in parts)
        base = cpu[FLOORS[2] if "segments" in name else FLOORS[0]]
        print(f"{name:<32} {cpu[name]:7.2f} {wall:7.2f} {peak:8.0f} {cpu[name] / base:13.2f}")


# ---- one answer, and live


def same(rows: int, times: int) -> None:
    """The largest relative difference of any figure between sources, and between repeats."""
    import numpy as np
    import polars as pl

    from recloop.experiments.analysis import analyze

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), rows)
        files = f"{folder}/users-*.parquet"
        frame = pl.read_parquet(files)
        sources: dict[str, object] = {"Parquet": files, "polars": frame, "Arrow": _Arrow(frame)}
        try:
            import pandas as pd

            sources["pandas"] = pd.DataFrame({name: frame[name].to_numpy() for name in frame.columns})
        except ImportError:
            print("pandas is not installed")
        plan = {**PLAN, "segments": ["country"]}
        first, worst = None, dict.fromkeys(sources, 0.0)
        for _ in range(times):
            for name, data in sources.items():
                table = analyze(data, plan=plan, now=0.0).table.select(pl.selectors.float()).fill_null(0.0).to_numpy()
                first = table if first is None else first
                gap = np.abs(table - first) / np.maximum(np.abs(first), 1e-12)
                worst[name] = max(worst[name], float(np.nanmax(gap)))
    print(f"{rows:,} users, {times} times from each source, threads on: largest relative difference of any figure")
    for name, gap in worst.items():
        print(f"{name:<10} {gap:.1e}")


class _Arrow:
    """What any table of Arrow offers."""

    def __init__(self, frame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema=None):
        return self._frame.__arrow_c_stream__(requested_schema)


def live(files: str) -> None:
    """Reading running sums out again."""
    from recloop.experiments.analysis import conclude, scan_of
    from recloop.experiments.analysis.plan import AnalysisPlan

    for name in ("recloop", "recloop, 20 segments"):
        plan = AnalysisPlan.parse(OURS[name])
        scan = scan_of(files, plan=plan)
        conclude(plan, scan)
        times = []
        for _ in range(20):
            start = time.process_time()
            conclude(plan, scan)
            times.append(time.process_time() - start)
        print(f"live readout from running sums, {name}: {statistics.median(times) * 1000:.1f} ms CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="users")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each way")
    parser.add_argument("--repeat", type=int, default=3, help="timed runs in each process, after one to warm up")
    parser.add_argument("--same", action="store_true", help="compare the answers of all sources instead")
    parser.add_argument("--folder", help="keep the files here, and use those that are there")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--files", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.files, options.repeat)
        return
    if options.same:
        same(min(options.rows, 1_000_000), 20)
        return
    with tempfile.TemporaryDirectory() as own:
        folder = Path(options.folder or own)
        if not any(folder.glob("users-*.parquet")):
            write(folder, options.rows)
        files = f"{folder}/users-*.parquet"
        size = sum(path.stat().st_size for path in folder.glob("users-*.parquet"))
        print(
            f"{options.rows:,} users, {size / 1e6:,.0f} MB of Parquet, medians of {options.rounds * options.repeat}\n"
        )
        names = [(name, sys.executable) for name in (*FLOORS, *OURS)]
        if python := os.environ.get("RECLOOP_PEERS"):
            names += [(name, python) for name in PEERS]
        rounds(names, files, options.rounds, options.repeat)
        if not python:
            print("\nother libraries not measured: RECLOOP_PEERS does not name an interpreter that has them")
        print()
        live(files)


if __name__ == "__main__":
    main()
