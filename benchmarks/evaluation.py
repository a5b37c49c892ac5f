"""What evaluation costs: against a raw blocked matmul with top-k, and against other libraries on the same slates.

    python benchmarks/evaluation.py [--users 20000] [--items 10000] [--k 100] [--repeat 3]

The floor is what nobody can avoid: score every item for every user, keep the k best. The whole adds what recloop does:
hiding seen items, deterministic ties, all metrics at k and at 10, per-user values, intervals.

Other libraries need another environment (RecTools wants numpy<2). Name its interpreter:

    python -m venv /somewhere && /somewhere/bin/pip install rectools lenskit ranx 'pyarrow==20.*'
    RECLOOP_PEERS=/somewhere/bin/python python benchmarks/evaluation.py

They get their own input formats ready-made, and a warm-up run; only their metrics are timed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

PEERS = ("rectools", "lenskit", "ranx")
SHARED = ("precision", "recall", "hit-rate", "ndcg", "map", "mrr")  # metrics that all of them have


def least(task: Callable[[], object], repeat: int) -> tuple[float, float]:
    """(CPU seconds, seconds) of the fastest of some runs, after one to warm up."""
    task()
    runs = []
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        task()
        runs.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(runs)


# ---- the work that is measured


def world(n_users: int, n_items: int, seed: int = 0):
    """Factors, histories and truth of users whose items follow the factors and popularity."""
    from recloop.data.histories import Histories
    from recloop.data.truth import Truth

    rng = np.random.default_rng(seed)
    U = rng.standard_normal((n_users, 64), dtype=np.float32)
    V = rng.standard_normal((n_items, 64), dtype=np.float32)
    V[:, 0] += 2 * np.log1p(1 / np.arange(1, n_items + 1, dtype=np.float32) ** 0.5 * 10)
    U[:, 0] = np.abs(U[:, 0])
    history, truth = [], []
    for start in range(0, n_users, 500):
        noisy = U[start : start + 500] @ V.T + 8 * rng.standard_normal((min(500, n_users - start), n_items), np.float32)
        best = np.argpartition(noisy, -30, axis=1)[:, -30:]
        best = rng.permuted(best, axis=1)
        history.append(best[:, :20])
        truth.append(best[:, 20:])
    rows = np.repeat(np.arange(n_users), 10)
    return (
        U,
        V,
        Histories.of(np.concatenate(history).tolist(), n_items=n_items),
        Truth.of(rows, np.concatenate(truth).ravel(), np.ones(len(rows)), n_rows=n_users, n_items=n_items),
    )


def floor(U, V, k: int, block: int = 512):
    """Score and keep the k best, sorted: nothing else."""
    kept = []
    for start in range(0, len(U), block):
        scores = U[start : start + block] @ V.T
        places = np.argpartition(scores, -k, axis=1)[:, -k:]
        found = np.take_along_axis(scores, places, axis=1)
        kept.append(np.take_along_axis(places, np.argsort(-found, axis=1), axis=1))
    return np.concatenate(kept)


def against_the_floor(n_users: int, n_items: int, k: int, repeat: int):
    import polars as pl

    from recloop.data.dataset import Dataset
    from recloop.data.split import Split
    from recloop.evaluate import evaluate
    from recloop.metrics import METRICS, Judged, item_users
    from recloop.metrics.metric import AtK
    from recloop.strategies.base import Strategy

    U, V, histories, truth = world(n_users, n_items)

    class Factors(Strategy):
        name = "factors"
        summary = "given factors of users and items"

        def _fit(self, dataset, progress):
            pass

        def _score(self, histories):
            return U[histories.keys] @ V.T

        def _arrays(self):
            return {}

        def _restore(self, arrays):
            pass

    events = pl.DataFrame(
        {
            "user": histories.rows.astype(str),
            "item": np.char.zfill(histories.items.astype(str), 9),
        }
    )
    items = pl.DataFrame({"item": np.char.zfill(np.arange(n_items).astype(str), 9)})
    train = Dataset.of(events, items=items)
    split = Split("given", train, histories, truth, np.arange(n_users, dtype=np.int32), None, True, (), None)
    strategy = Factors().fit(train)
    metrics = [kind(cut) for kind in METRICS.values() if issubclass(kind, AtK) for cut in (10, k)]

    bare = least(lambda: floor(U, V, k), repeat)
    whole = least(lambda: evaluate(split, {"factors": strategy}, metrics, vectors=V), repeat)
    slates = strategy.rank(histories, k)
    popularity = item_users(train)

    def judge():
        judged = Judged(slates, truth, histories, popularity, n_users, V)
        return {metric.name: metric.per_user(judged) for metric in metrics}

    alone = least(judge, repeat)
    print(f"{n_users:,} users x {n_items:,} items, top {k}, {len(metrics)} metrics; the fastest of {repeat} runs")
    print(f"{'':34}{'CPU s':>8}{'s':>8}")
    print(f"{'floor: matmul + top-k':34}{bare[0]:8.2f}{bare[1]:8.2f}")
    print(f"{'whole: scores, slates, metrics':34}{whole[0]:8.2f}{whole[1]:8.2f}")
    print(f"{'of these, the metrics':34}{alone[0]:8.2f}{alone[1]:8.2f}")
    print(f"whole / floor: {whole[0] / bare[0]:.2f} of CPU, {whole[1] / bare[1]:.2f} of time (goal: at most 2)")
    return slates, truth, histories


# ---- other libraries, in their own environment


def against_peers(slates, truth, histories, k: int, repeat: int, python: str) -> None:
    from recloop.metrics import METRICS, Judged

    def ours(convention: str):
        judged = Judged(slates, truth, histories)
        return {name: METRICS[name](k, convention=convention).value(judged) for name in SHARED}

    cpu, _ = least(lambda: ours("recloop"), repeat)
    print(f"\n{len(SHARED)} metrics at {k} of {len(slates):,} slates that are there already: {', '.join(SHARED)}")
    print(f"{'':12}{'CPU s':>8}{'times':>8}")
    print(f"{'recloop':12}{cpu:8.3f}{1:8.1f}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slates.npz"
        np.savez(path, items=slates.items, indptr=truth.indptr, relevant=truth.items)
        for peer in PEERS:
            command = [python, __file__, "--peer", peer, "--slates", str(path), "--k", str(k)]
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
            if done.returncode:
                print(f"{peer:12} not measured: {done.stderr.strip().splitlines()[-1]}")
                continue
            answer = json.loads(done.stdout.splitlines()[-1])
            mine = ours({"ranx": "trec"}.get(peer, peer))
            worst = max(abs(mine[name] - value) for name, value in answer["values"].items())
            version = f"{peer} {answer['version']}"
            print(
                f"{peer:12}{answer['cpu']:8.3f}{answer['cpu'] / cpu:8.1f}   {version}; largest difference of a value in its "
                f"convention: {worst:.1e}"
            )
    print("(goal: at least 10 times less CPU than each)")


def measure_peer(peer: str, path: Path, k: int) -> None:
    """In the peer's environment: print CPU seconds and values as JSON."""
    from importlib.metadata import version

    warnings.filterwarnings("ignore")
    with np.load(path) as stored:
        items, indptr, relevant = stored["items"], stored["indptr"], stored["relevant"]
    run = {"rectools": rectools, "lenskit": lenskit, "ranx": ranx}[peer](items, indptr, relevant, k)
    values = run()
    cpu = time.process_time()
    values = run()
    cpu = time.process_time() - cpu
    print(json.dumps({"cpu": cpu, "values": values, "version": version(peer)}))


def rectools(items, indptr, relevant, k):
    import pandas as pd
    from rectools import Columns
    from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics

    rows, places = np.nonzero(items >= 0)
    reco = pd.DataFrame({Columns.User: rows, Columns.Item: items[rows, places], Columns.Rank: places + 1})
    known = pd.DataFrame({Columns.User: np.repeat(np.arange(len(items)), np.diff(indptr)), Columns.Item: relevant})
    kinds = dict(zip(SHARED, (Precision, Recall, HitRate, NDCG, MAP, MRR), strict=True))
    metrics = {name: kind(k=k) for name, kind in kinds.items()}
    return lambda: {name: float(value) for name, value in calc_metrics(metrics, reco=reco, interactions=known).items()}


def lenskit(items, indptr, relevant, k):
    from lenskit.data import ItemList, ItemListCollection
    from lenskit.metrics import NDCG, Hit, Precision, Recall, RecipRank, RunAnalysis
    from lenskit.metrics.ranking import AveragePrecision

    slates = ItemListCollection.from_dict(
        {row: ItemList(item_ids=slate[slate >= 0], ordered=True) for row, slate in enumerate(items)}, key="user_id"
    )
    known = ItemListCollection.from_dict(
        {row: ItemList(item_ids=relevant[indptr[row] : indptr[row + 1]]) for row in range(len(items))}, key="user_id"
    )
    kinds = dict(zip(SHARED, (Precision, Recall, Hit, NDCG, AveragePrecision, RecipRank), strict=True))

    def run():
        analysis = RunAnalysis()
        for name, kind in kinds.items():
            analysis.add_metric(kind(k), label=name)
        means = analysis.measure(slates, known).list_metrics().mean()
        return {name: float(means[name]) for name in SHARED}

    return run


def ranx(items, indptr, relevant, k):
    from ranx import Qrels, Run, evaluate

    slates = Run(
        {
            f"u{row}": {f"i{i}": float(k - place) for place, i in enumerate(slate) if i >= 0}
            for row, slate in enumerate(items)
        }
    )
    known = Qrels(
        {f"u{row}": {f"i{i}": 1 for i in relevant[indptr[row] : indptr[row + 1]]} for row in range(len(items))}
    )
    names = {"hit-rate": "hit_rate"}
    wanted = {name: f"{names.get(name, name)}@{k}" for name in SHARED}

    def run():
        values = evaluate(known, slates, list(wanted.values()))
        return {name: float(values[theirs]) for name, theirs in wanted.items()}

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--slates", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        measure_peer(options.peer, options.slates, options.k)
        return
    slates, truth, histories = against_the_floor(options.users, options.items, options.k, options.repeat)
    if python := os.environ.get("RECLOOP_PEERS"):
        against_peers(slates, truth, histories, options.k, options.repeat, python)
    else:
        print("\nother libraries not measured: RECLOOP_PEERS does not name an interpreter that has them")


if __name__ == "__main__":
    sys.exit(main())
