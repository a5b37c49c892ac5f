"""What the classic strategies cost: rows to a judged top-10 of everyone, neighbours, and the fold-in of one history.

    python benchmarks/classic.py [--data synthetic|ml-1m] [--repeat 5]

``synthetic`` draws 1,000,000 rows of 20,000 users and 10,000 items by a power law; ``ml-1m`` reads MovieLens-1M from the
folder that RECLOOP_TEST_DATA names. CPU seconds of all threads, medians of the repeats after one run to warm up. The
fold-in is timed in one process that makes nothing else, as a service would.

Another library, ``implicit``, needs another environment. Name its interpreter to see ratios measured in the same run:

    python -m venv /somewhere && /somewhere/bin/pip install implicit
    RECLOOP_PEERS=/somewhere/bin/python python benchmarks/classic.py

It gets the same matrix ready-made; only its fit and its top-10 of everyone are timed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PEER_ITERATIONS = 15
METRICS = ("precision@10", "recall@10", "ndcg@10", "map@10", "coverage@10")


def median(task: Callable[[], object], repeat: int, prepare: Callable[[], object] = lambda: None) -> float:
    """CPU seconds: the median of some runs, after one to warm up."""
    runs = []
    for _ in range(repeat + 1):
        prepare()
        start = time.process_time()
        task()
        runs.append(time.process_time() - start)
    return statistics.median(runs[1:])


# ---- the rows


def synthetic(n_users: int = 20_000, n_items: int = 10_000, n_rows: int = 1_000_000, seed: int = 0):
    """A table of distinct pairs: items by a power law, users of log-normal activity and one of 50 tastes."""
    import polars as pl

    rng = np.random.default_rng(seed)
    activity = rng.lognormal(sigma=0.8, size=n_users)
    popularity = 1 / np.arange(10, n_items + 10) ** 0.8
    taste, group = rng.integers(50, size=n_users), rng.integers(50, size=n_items)
    members = [np.flatnonzero(group == g) for g in range(50)]
    users = rng.choice(n_users, size=2 * n_rows, p=activity / activity.sum())
    items = rng.choice(n_items, size=2 * n_rows, p=popularity / popularity.sum())
    for g in range(50):  # half of what a user takes is of the user's taste
        rows = np.flatnonzero((taste[users] == g) & (rng.random(2 * n_rows) < 0.5))
        own = popularity[members[g]]
        items[rows] = rng.choice(members[g], size=len(rows), p=own / own.sum())
    _, first = np.unique(users * n_items + items, return_index=True)
    first = np.sort(rng.permutation(first)[:n_rows])
    return pl.DataFrame({"user": users[first], "item": items[first]}).cast(pl.String)


def movielens():
    import polars as pl

    folder = Path(os.environ.get("RECLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    ratings = pl.read_parquet(folder / "ml-1m" / "ratings.parquet")
    return ratings.sort("user", "order", nulls_last=True).select(pl.col("user", "item").cast(pl.String))


# ---- recloop


def ours(frame, repeat: int) -> dict[str, float]:
    from recloop.data.dataset import Dataset
    from recloop.data.split import split
    from recloop.metrics import Judged, item_users, parse_metrics
    from recloop.strategies.bpr import BPR
    from recloop.strategies.ials import IALS
    from recloop.strategies.item_knn import ItemKNN

    seconds: dict[str, float] = {}
    found: dict[str, object] = {}

    def step(name: str, task: Callable[[], object], *, prepare: Callable[[], object] = lambda: None) -> None:
        seconds[name] = median(lambda: found.__setitem__(name, task()), repeat, prepare)

    step("rows to a split", lambda: split(Dataset.of(frame), "leave-last-out"))
    parted = found["rows to a split"]
    train, histories = parted.train, parted.histories
    ials, knn = IALS(), ItemKNN(neighbours=100)
    step("iALS 64x15, fit", lambda: ials.fit(train))
    step("iALS, top-10 of everyone", lambda: ials.rank(histories, 10))
    popularity = item_users(train)

    def judge() -> list[float]:
        judged = Judged(found["iALS, top-10 of everyone"], parted.truth, histories, popularity, train.n_users)
        return [metric.value(judged) for metric in parse_metrics(METRICS)]

    step("five metrics", judge)
    seconds["rows to five metrics"] = sum(seconds.values())
    step("item-knn of 100, fit", lambda: knn.fit(train))
    step("item-knn of 100, top-10 of everyone", lambda: knn.rank(histories, 10))
    one = [histories.block(row, row + 1) for row in range(0, len(histories), max(1, len(histories) // 500))]
    seconds["iALS, fold-in of one history"] = median(lambda: [ials.fold_in(h) for h in one], repeat) / len(one)
    seconds["iALS, scores of one history"] = median(lambda: [ials.score(h) for h in one], repeat) / len(one)
    found["quality"] = dict(zip(METRICS, found["five metrics"], strict=True))
    print(f"{train.n_events:,} rows, {len(histories):,} users, {train.n_items:,} items; iALS:", end=" ")
    print(", ".join(f"{name} {value:.4f}" for name, value in found["quality"].items()))
    if os.environ.get("RECLOOP_PEERS"):  # slow, and of use next to the other one only
        bpr = BPR()
        seconds["BPR 64x30, fit"] = median(lambda: bpr.fit(train), 1)
        step("BPR, top-10 of everyone", lambda: bpr.rank(histories, 10))
        judged = Judged(found["BPR, top-10 of everyone"], parted.truth, histories)
        print(f"BPR: recall@10 {parse_metrics(['recall@10'])[0].value(judged):.4f}")
    matrix = train.matrix()
    theirs(matrix, histories, parted.truth, repeat, seconds)
    return seconds


# ---- implicit, in its own interpreter


def theirs(matrix, histories, truth, repeat: int, seconds: dict[str, float]) -> None:
    python = os.environ.get("RECLOOP_PEERS")
    if not python:
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.savez(folder / "train.npz", data=matrix.data, indices=matrix.indices, indptr=matrix.indptr)
        np.savez(folder / "asked.npz", shape=matrix.shape, users=histories.keys.astype(np.int32), truth=truth.items)
        command = [python, __file__, "--peer", str(folder), "--repeat", str(repeat)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if answer.returncode:
        print("implicit is not installed there, or failed: no ratios", file=sys.stderr)
        return
    peer = json.loads(answer.stdout.splitlines()[-1])
    print(f"implicit {peer['version']}: recall@10 {peer['recall']:.4f}; BPR {peer['recall_bpr']:.4f}")
    seconds |= {f"implicit: {name}": value for name, value in peer["seconds"].items()}
    print()
    for mine, his in (
        (("iALS 64x15, fit", "iALS, top-10 of everyone"), ("ALS, fit", "ALS, top-10 of everyone")),
        (
            ("item-knn of 100, fit", "item-knn of 100, top-10 of everyone"),
            ("cosine, fit", "cosine, top-10 of everyone"),
        ),
        (("item-knn of 100, top-10 of everyone",), ("cosine, top-10 of everyone",)),
        (("iALS, fold-in of one history",), ("ALS, fold-in of one history",)),
        (("BPR 64x30, fit", "BPR, top-10 of everyone"), ("BPR, fit", "BPR, top-10 of everyone")),
    ):
        ratio = sum(peer["seconds"][name] for name in his) / sum(seconds[name] for name in mine)
        print(f"implicit / recloop, {' + '.join(mine)}: {ratio:.1f}")
    print()


def peer(folder: Path, repeat: int) -> None:
    import warnings

    import implicit
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking
    from implicit.nearest_neighbours import CosineRecommender
    from scipy import sparse

    warnings.simplefilter("ignore")
    stored, asked = np.load(folder / "train.npz"), np.load(folder / "asked.npz")
    users = asked["users"]
    matrix = sparse.csr_matrix((stored["data"], stored["indices"], stored["indptr"]), shape=tuple(asked["shape"]))
    quiet = {"show_progress": False}
    als = AlternatingLeastSquares(factors=64, iterations=PEER_ITERATIONS, num_threads=1, random_state=0)
    knn = CosineRecommender(K=100, num_threads=1)
    bpr = BayesianPersonalizedRanking(factors=64, num_threads=1, random_state=0)
    rows = [sparse.csr_matrix(matrix[user]) for user in users[:: max(1, len(users) // 500)]]
    seconds = {
        "ALS, fit": median(lambda: als.fit(matrix, **quiet), repeat),
        "ALS, top-10 of everyone": median(lambda: als.recommend(users, matrix[users], N=10), repeat),
        "cosine, fit": median(lambda: knn.fit(matrix, **quiet), repeat),
        "cosine, top-10 of everyone": median(lambda: knn.recommend(users, matrix[users], N=10), repeat),
        "BPR, fit": median(lambda: bpr.fit(matrix, **quiet), 1),
        "BPR, top-10 of everyone": median(lambda: bpr.recommend(users, matrix[users], N=10), repeat),
        "ALS, fold-in of one history": median(lambda: [als.recalculate_user(0, r) for r in rows], repeat) / len(rows),
    }
    recalls = {
        name: float((model.recommend(users, matrix[users], N=10)[0] == asked["truth"][:, None]).any(axis=1).mean())
        for name, model in {"recall": als, "recall_bpr": bpr}.items()
    }
    print(json.dumps({"version": implicit.__version__, **recalls, "seconds": seconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("synthetic", "ml-1m"), default="synthetic")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        peer(arguments.peer, arguments.repeat)
        return
    seconds = ours(synthetic() if arguments.data == "synthetic" else movielens(), arguments.repeat)
    width = max(map(len, seconds))
    for name, value in seconds.items():
        print(f"{name:<{width}}  {value:8.3f} s" if value > 0.01 else f"{name:<{width}}  {1000 * value:8.3f} ms")


if __name__ == "__main__":
    main()
