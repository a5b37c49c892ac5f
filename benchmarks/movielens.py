"""Every strategy on real ratings, through ``recloop run`` as a user would: the leaderboard, seconds and peak memory.

    python benchmarks/movielens.py                   # MovieLens-1M: all seven strategies, leave-last-out
    python benchmarks/movielens.py --data sequences  # its item sequences as used in papers on SASRec, with known floors
    python benchmarks/movielens.py --data ml-100k    # MovieLens-100K: a split by time (the short form)

The sets are read from the folder that RECLOOP_TEST_DATA names. The plan is written into a temporary folder (``--keep``
names another), and the command runs as a process of its own, which is what is measured. The copy of MovieLens-1M has
the order of each user's ratings and no timestamps, so that no split by time can be made of it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("random", "popular", "transitions", "item-knn", "ease", "ials", "content")
METRICS = ("ndcg", "recall", "coverage", "diversity", "popularity-lift")
PLANS = {
    "ml-1m": {
        "data": {
            "events": "ml-1m/ratings.parquet",
            "items": "ml-1m/movies_text.parquet",
            "users": "ml-1m/users.dat",
            "kind": "rating",
            "columns": {"user": "user", "item": "item", "value": "rating", "order": "order"},
            "item_columns": {"item": "item", "title": "title", "category": "genres", "text": "plot"},
        },
        "split": {"name": "leave-last-out"},
        "strategies": {"use": NAMES},
        "metrics": {"k": [10], "names": [*METRICS, "rmse", "mae"]},
    },
    "sequences": {
        "data": {"events": "ml-1m/sasrec_sequences.txt"},
        "split": {"name": "leave-last-out"},
        "strategies": {"use": NAMES[:-1]},
        "metrics": {"k": [10], "names": METRICS},
    },
    "ml-100k": {
        "data": {
            "events": "ml-100k/raw/u.data",
            "items": "ml-100k/raw/u.item",
            "users": "ml-100k/raw/u.user",
        },
        "split": {"name": "temporal", "test_fraction": 0.2},
        "strategies": {"popular-7d": {"strategy": "popular", "window": 7.0}},
        "metrics": {"k": [10], "names": [*METRICS, "rmse", "mae"]},
    },
}
# Untrained methods and popularity on the same file and protocol, measured apart: recall@10, NDCG@10.
FLOORS = {"sequences": {"transitions": (0.2435, 0.1418), "ease": (0.1089, 0.0538), "popular": (0.0364, 0.0179)}}


def toml(table: dict, data: Path, name: str = "") -> str:
    """A plan as TOML; paths of the data made absolute."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{name}]"] if name else []
    for key, value in plain.items():
        path = name == "data" and key in {"events", "items", "users"}
        lines.append(f"{key} = {json.dumps(str(data / value) if path else value)}")
    parts = ["\n".join(lines)] if lines else []
    parts += [toml(value, data, f"{name}.{key}" if name else key) for key, value in table.items() if key not in plain]
    return "\n\n".join(parts)


def run(plan: Path, cache: Path) -> tuple[dict, float, float, float]:
    """The answer of ``recloop run``, its seconds, CPU seconds of all its threads, and peak memory in bytes.

    ``cache`` is where vectors of texts are kept: a new folder, so that encoding them is part of what is measured.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "recloop", "run", str(plan), "--json"]
    environment = {**os.environ, "RECLOOP_CACHE": str(cache)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), wall, cpu, after.ru_maxrss * 1024


def leaderboard(results: dict, floors: dict[str, tuple[float, float]]) -> None:
    """Best first; the first two metrics with half of their 95% interval, and the floors of both beside them."""
    metrics = [entry["name"] for entry in results["metrics"]]
    cells = {(row["strategy"], row["metric"]): row for row in results["leaderboard"]}
    names = sorted(results["strategies"], key=lambda name: -cells[name, metrics[0]]["value"])
    heads = [f"{name:>15}" if name in metrics[:2] else f"{name:>{len(name) + 3}}" for name in metrics]
    print(f"{'strategy':<12}{'fit CPU s':>10}{''.join(heads)}{'  floors' if floors else ''}")
    for name in names:
        fit = results["costs"][name]["fit_seconds"]
        line = f"{name:<12}" + (f"{fit:10.2f}" if fit is not None else f"{'-':>10}")
        for metric, head in zip(metrics, heads, strict=True):
            cell = cells.get((name, metric))
            if cell is None or cell["value"] is None:
                text = "-"
            elif metric in metrics[:2]:
                text = f"{cell['value']:.4f} ±{(cell['high'] - cell['low']) / 2:.4f}"
            else:
                text = f"{cell['value']:.3f}"
            line += text.rjust(len(head))
        if name in floors:
            line += "  {1:.4f}, {0:.4f}".format(*floors[name])
        print(line)
    print(next(leader["sentence"] for leader in results["best"] if leader["metric"] == metrics[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=tuple(PLANS), default="ml-1m", help="which set, with which split")
    parser.add_argument("--keep", type=Path, help="write plan and run into this folder, and leave them there")
    options = parser.parse_args()
    data = Path(os.environ.get("RECLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")).resolve()
    if not data.is_dir():
        print(f"not measured: no real data at {data}; set RECLOOP_TEST_DATA")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        plan = folder / "recloop.toml"
        plan.write_text(toml(PLANS[options.data], data) + "\n")
        answer, wall, cpu, memory = run(plan, Path(temporary) / "cache")
        results = answer["results"]
        print(
            f"{options.data}: split {results['split']['name']}, {results['split']['users']:,} users judged, "
            f"{results['split']['items']:,} items ranked in full"
        )
        leaderboard(results, FLOORS.get(options.data, {}))
        print(f"recloop run: {wall:.0f} s, {cpu:.0f} CPU s, {memory / 2**20:,.0f} MiB at the peak", end="")
        print(" (reused: nothing was computed)" if answer["reused"] else "")
        if options.keep:
            print(f"report: {answer['folder']}/report.html")


if __name__ == "__main__":
    main()
