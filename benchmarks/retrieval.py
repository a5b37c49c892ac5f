"""Nearest items of a large catalogue: every item scored, the cells of the index, and another library where one is given.

    python benchmarks/retrieval.py [--items 1000000] [--width 64] [--k 100]
    RECLOOP_PEERS=path/to/python python benchmarks/retrieval.py   # a Python with hnswlib

The vectors lie in groups of unequal size and length, as those of trained models do; queries are mixtures of a few
items, as histories are. Everything on one thread, in CPU seconds.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from recloop.service.threads import pin_native_threads

pin_native_threads()

import numpy as np  # noqa: E402

from recloop.strategies.cells import QUERIES, Cells  # noqa: E402
from recloop.strategies.exact import Exact  # noqa: E402

PEER = """
import os, sys, time
import numpy as np, hnswlib
folder, k = sys.argv[1], int(sys.argv[2])
vectors, queries = np.load(folder + "/vectors.npy"), np.load(folder + "/queries.npy")
index = hnswlib.Index("ip", vectors.shape[1])
index.init_index(len(vectors), ef_construction=200, M=16)
index.set_num_threads(1)
start = time.process_time()
index.add_items(vectors, num_threads=1)
built = time.process_time() - start
for ef in (100, 200, 400, 800):
    index.set_ef(max(ef, k))
    start = time.process_time()
    found = np.concatenate([index.knn_query(query, k, num_threads=1)[0] for query in queries[:, None]])
    used = (time.process_time() - start) / len(queries)
    np.save(folder + f"/found-{ef}.npy", found)
    print(ef, built, used, flush=True)
"""


def world(items: int, width: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    groups = max(20, items // 500)
    sizes = rng.pareto(1.5, groups) + 0.2
    group = rng.choice(groups, size=items, p=sizes / sizes.sum())
    low = rng.standard_normal((groups, width // 4)) @ rng.standard_normal((width // 4, width)) / 4
    vectors = low[group] + 0.25 * rng.standard_normal((items, width))
    vectors = (vectors * rng.lognormal(0, 0.3, (items, 1))).astype(np.float32)
    taken = rng.integers(items, size=(queries, 3))
    return vectors, vectors[taken].mean(axis=1)


def memory() -> float:
    """Resident megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def each(search: Callable[[np.ndarray], np.ndarray], queries: np.ndarray) -> tuple[np.ndarray, float]:
    """What is found for each query, asked alone, and CPU milliseconds per query."""
    search(queries[:1])
    start = time.process_time()
    found = np.concatenate([search(queries[row : row + 1]) for row in range(len(queries))])
    return found, (time.process_time() - start) / len(queries) * 1e3


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--queries", type=int, default=200)
    settings = parser.parse_args()
    k = settings.k
    vectors, queries = world(settings.items, settings.width, settings.queries + QUERIES)
    trials, queries = queries[:QUERIES], queries[QUERIES:]  # other users ask than those by whom the search is tried
    print(f"{settings.items:,} items of {settings.width} numbers, the {k} best; one thread\n")
    exact = Exact(vectors)
    truth, used = each(lambda query: exact.search(query, k).items, queries[:40])
    print(f"{'every item scored':<24} built in    0.0 s  {used:8.3f} CPU ms  recall 1.000")

    Cells(vectors[:1000], trials)  # kernels are loaded once for all
    before, start = memory(), time.process_time()
    cells = Cells(vectors, trials)
    built, size = time.process_time() - start, memory() - before
    truth = exact.search(queries, k).items
    found, used = each(lambda query: cells.search(query, k).items, queries)
    print(
        f"{'cells':<24} built in {built:6.1f} s  {used:8.3f} CPU ms  recall {overlap(found, truth):.3f}"
        f"  ({cells.probes} of {cells.cells} cells, {size:,.0f} MB beside {vectors.nbytes / 1e6:,.0f} MB of vectors)"
    )
    longest = np.linalg.norm(vectors, axis=1).max()
    new = 2 * longest * queries[:50] / np.linalg.norm(queries[:50], axis=1, keepdims=True)  # each is its own nearest
    start = time.process_time()
    cells.add(new)
    added = (time.process_time() - start) * 1e3
    hit = np.mean([settings.items + row in cells.search(new[row : row + 1], k).items for row in range(50)])
    print(f"{'50 new items':<24} added in {added:.2f} CPU ms, found at once: {hit:.0%}")

    if python := os.environ.get("RECLOOP_PEERS"):
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/vectors.npy", vectors)
            np.save(f"{folder}/queries.npy", queries)
            done = subprocess.run([python, "-c", PEER, folder, str(k)], capture_output=True, text=True)
            if done.returncode:
                print("the peer failed:", done.stderr.strip().splitlines()[-1])
            for line in done.stdout.splitlines():
                ef, built, used = line.split()
                recall = overlap(np.load(f"{folder}/found-{ef}.npy"), truth)
                what = f"hnswlib, ef {ef}"
                print(
                    f"{what:<24} built in {float(built):6.1f} s  {float(used) * 1e3:8.3f} CPU ms  recall {recall:.3f}"
                )


if __name__ == "__main__":
    main()
