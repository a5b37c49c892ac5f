"""What the classic strategies cost: rows to a judged top-10 of everyone, neighbours, and the fold-in of one history.

    python benchmarks/classic.py [--data synthetic|ml-1m] [--only ials item-knn ease bpr] [--repeat 5]

``synthetic`` draws 1,000,000 rows of 20,000 users and 10,000 items by a power law; ``ml-1m`` reads MovieLens-1M from the
folder that RECLOOP_TEST_DATA names. CPU seconds of all threads, medians of the repeats after one run to warm up. The
fold-in is timed in one process that makes nothing else, as a service would.

Other libraries, ``implicit`` and RecTools (for EASE), need another environment. Name its interpreter to see ratios
measured in the same run:

    python -m venv /somewhere && /somewhere/bin/pip install implicit rectools
    RECLOOP_PEERS=/somewhere/bin/python python benchmarks/classic.py

They get the same matrix ready-made; only their fit and their top-10 of everyone are timed. Settings are alike: factors and
iterations; neighbours without shrinkage; the ridge of EASE. Their iALS has another regularisation and another default
weight of what was not seen, so that it stands there as it comes, and then with the weight that recloop has, at each of a
few ridges. Differences of recall and NDCG are paired by user, with 95% intervals of a bootstrap. EASE is left out of ``synthetic`` unless it is
named: the inverse of 10,000 items takes minutes there.
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

sys.path.insert(0, str(Path(__file__).resolve().parent / "accuracy"))
from protocol import bootstrap, data_folder

FACTORS, ITERATIONS, NEIGHBOURS, RIDGE = 64, 15, 100, 500.0
RIDGES = (0.01, 10.0, 100.0)  # of the other iALS
METRICS = ("precision@10", "recall@10", "ndcg@10", "map@10", "coverage@10")
PEERS = {"ials": "implicit ALS", "item-knn": "implicit cosine", "ease": "rectools EASE", "bpr": "implicit BPR"}


def median(task: Callable[[], object], repeat: int, prepare: Callable[[], object] = lambda: None) -> float:
    """CPU seconds: the median of some runs, after one to warm up, which alone counts where there are none."""
    runs = []
    for _ in range(repeat + 1):
        prepare()
        start = time.process_time()
        task()
        runs.append(time.process_time() - start)
    return statistics.median(runs[1:] or runs)


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

    ratings = pl.read_parquet(data_folder() / "ml-1m" / "ratings.parquet")
    return ratings.sort("user", "order", nulls_last=True).select(pl.col("user", "item").cast(pl.String))


# ---- recloop


def ours(frame, names: list[str], repeat: int) -> dict[str, float]:
    from recloop.data.dataset import Dataset
    from recloop.data.split import split
    from recloop.metrics import Judged, item_users, parse_metrics
    from recloop.strategies import make

    seconds: dict[str, float] = {}
    found: dict[str, object] = {}

    def step(name: str, task: Callable[[], object], times: int = repeat) -> None:
        seconds[name] = median(lambda: found.__setitem__(name, task()), times)

    step("rows to a split", lambda: split(Dataset.of(frame), "leave-last-out"))
    parted = found["rows to a split"]
    train, histories = parted.train, parted.histories
    popularity = item_users(train)

    def judge(rankings) -> dict[str, np.ndarray]:
        judged = Judged(rankings, parted.truth, histories, popularity, train.n_users)
        return {metric.name: metric.per_user(judged) for metric in parse_metrics(METRICS)}

    print(f"{train.n_events:,} rows, {len(histories):,} users, {train.n_items:,} items")
    settings = {
        "ials": {"factors": FACTORS, "iterations": ITERATIONS},
        "item-knn": {"neighbours": NEIGHBOURS, "shrinkage": 0.0},
        "ease": {"reg": RIDGE},
    }
    values = {}
    for name in names:
        strategy = make(name, **settings.get(name, {}))
        step(f"{name}, fit", lambda strategy=strategy: strategy.fit(train), 1 if name == "bpr" else repeat)
        step(f"{name}, top-10 of everyone", lambda strategy=strategy: strategy.rank(histories, 10))
        step(f"{name}, five metrics", lambda name=name: judge(found[f"{name}, top-10 of everyone"]))
        values[name] = found[f"{name}, five metrics"]
        if name == "ials":
            one = [histories.block(row, row + 1) for row in range(0, len(histories), max(1, len(histories) // 500))]
            parts = ("rows to a split", "ials, fit", "ials, top-10 of everyone", "ials, five metrics")
            seconds["rows to five metrics"] = sum(seconds[part] for part in parts)
            for verb in ("fold_in", "score"):
                task = getattr(strategy, verb)
                step(f"ials, {verb} of each", lambda task=task, one=one: [task(history) for history in one])
                seconds[f"ials, {verb} of one history"] = seconds.pop(f"ials, {verb} of each") / len(one)
    told = "; ".join(
        f"{name} " + ", ".join(f"{metric} {np.nanmean(of):.4f}" for metric, of in row.items())
        for name, row in values.items()
    )
    print(told + "\n")
    peers = theirs(train.matrix(), histories, names, repeat, seconds)
    for mine, row in values.items():
        for his in (name for name in peers if name.startswith(PEERS[mine])):
            compare(mine, his, row, judge(peers[his]), seconds)
    return seconds


def compare(mine: str, his: str, ours: dict[str, np.ndarray], other: dict[str, np.ndarray], seconds) -> None:
    """One line: what it costs beside the other, and how the accuracy differs."""
    parts = ("fit", "top-10 of everyone")
    ratio = sum(seconds[f"{his}, {part}"] for part in parts) / sum(seconds[f"{mine}, {part}"] for part in parts)
    line = f"{mine} beside {his}: {ratio:.1f} times fewer CPU seconds"
    for metric in ("recall@10", "ndcg@10"):
        mean, low, high = bootstrap(ours[metric] - other[metric])
        levels = f"{np.nanmean(ours[metric]):.4f} and {np.nanmean(other[metric]):.4f}"
        line += f"; {metric} {levels}, {mean:+.4f} ({low:+.4f} to {high:+.4f})"
    print(line)


# ---- the others, in their own interpreter


def theirs(matrix, histories, names: list[str], repeat: int, seconds: dict[str, float]) -> dict:
    """Their slates by name; their seconds are added."""
    from recloop.data.rankings import Rankings
    from recloop.strategies.ials import IALS

    python = os.environ.get("RECLOOP_PEERS")
    if not python:
        return {}
    pairs = matrix.shape[0] * matrix.shape[1] / matrix.nnz
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.savez(folder / "train.npz", data=matrix.data, indices=matrix.indices, indptr=matrix.indptr)
        weight = pairs / IALS().unobserved  # of an event, where a pair without one weighs 1
        np.savez(folder / "asked.npz", shape=matrix.shape, users=histories.keys.astype(np.int32), weight=weight)
        command = [python, __file__, "--peer", str(folder), "--repeat", str(repeat), "--only", *names]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if answer.returncode:
            print("implicit or rectools is not installed there, or failed: no ratios", file=sys.stderr)
            return {}
        told = json.loads(answer.stdout.splitlines()[-1])
        print(
            f"beside implicit {told['versions'][0]} and rectools {told['versions'][1]}, an event weighing {weight:.1f}:"
        )
        seconds |= told["seconds"]
        with np.load(folder / "slates.npz") as stored:
            return {name: Rankings(stored[name], np.zeros(stored[name].shape, np.float32)) for name in stored.files}


def peer(folder: Path, names: list[str], repeat: int) -> None:
    import warnings

    import implicit
    import rectools
    from scipy import sparse

    warnings.simplefilter("ignore")
    stored, asked = np.load(folder / "train.npz"), np.load(folder / "asked.npz")
    users = asked["users"]
    matrix = sparse.csr_matrix((stored["data"], stored["indices"], stored["indptr"]), shape=tuple(asked["shape"]))
    seconds, slates = {}, {}

    def measure(name: str, model, given, times: int = repeat) -> None:
        seconds[f"{name}, fit"] = median(lambda: model.fit(given, show_progress=False), times)
        top = f"{name}, top-10 of everyone"
        seconds[top] = median(lambda: slates.__setitem__(name, model.recommend(users, given[users], N=10)[0]), repeat)

    if "ials" in names:
        from implicit.als import AlternatingLeastSquares

        def als(ridge: float):
            return AlternatingLeastSquares(
                factors=FACTORS, iterations=ITERATIONS, regularization=ridge, num_threads=1, random_state=0
            )

        measure("implicit ALS", model := als(RIDGES[0]), matrix)
        rows = [sparse.csr_matrix(matrix[user]) for user in users[:: max(1, len(users) // 500)]]
        folded = median(lambda: [model.recalculate_user(0, row) for row in rows], repeat)
        seconds["implicit ALS, fold-in of one history"] = folded / len(rows)
        heavy = matrix.copy()
        heavy.data = np.full_like(heavy.data, 1 + float(asked["weight"]))
        for ridge in RIDGES:
            measure(f"implicit ALS, weighted alike, ridge {ridge:g}", als(ridge), heavy, 0)
    if "item-knn" in names:
        from implicit.nearest_neighbours import CosineRecommender

        measure(
            "implicit cosine", CosineRecommender(K=NEIGHBOURS + 1, num_threads=1), matrix
        )  # it counts the item itself
    if "bpr" in names:
        from implicit.bpr import BayesianPersonalizedRanking

        measure("implicit BPR", BayesianPersonalizedRanking(factors=FACTORS, num_threads=1, random_state=0), matrix, 1)
    if "ease" in names:
        import pandas as pd
        from rectools.dataset import Dataset
        from rectools.models import EASEModel

        pairs = matrix.tocoo()
        frame = pd.DataFrame({"user_id": pairs.row, "item_id": pairs.col, "weight": 1.0, "datetime": "2000-01-01"})
        data, model = Dataset.construct(frame), EASEModel(regularization=RIDGE, recommend_n_threads=1)
        seconds["rectools EASE, fit"] = median(lambda: model.fit(data), repeat)
        found = {}
        seconds["rectools EASE, top-10 of everyone"] = median(
            lambda: found.__setitem__("top", model.recommend(users, data, k=10, filter_viewed=True)), repeat
        )
        top = found["top"]
        slate = np.full((matrix.shape[0], 10), -1, np.int32)
        slate[top["user_id"], top["rank"] - 1] = top["item_id"]
        slates["rectools EASE"] = slate[users]
    np.savez(folder / "slates.npz", **{name: np.asarray(slate, np.int32) for name, slate in slates.items()})
    print(json.dumps({"versions": [implicit.__version__, rectools.__version__], "seconds": seconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("synthetic", "ml-1m"), default="synthetic")
    parser.add_argument("--only", nargs="+", choices=tuple(PEERS), help="which strategies")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        peer(arguments.peer, arguments.only, arguments.repeat)
        return
    synthesised = arguments.data == "synthetic"
    names = arguments.only or ["ials", "item-knn", *(() if synthesised else ("ease",))]
    if not arguments.only and os.environ.get("RECLOOP_PEERS"):
        names.append("bpr")  # slow, and of use next to the other one only
    seconds = ours(synthetic() if synthesised else movielens(), names, arguments.repeat)
    width = max(map(len, seconds))
    print()
    for name, value in seconds.items():
        print(f"{name:<{width}}  {value:8.3f} s" if value > 0.01 else f"{name:<{width}}  {1000 * value:8.3f} ms")


if __name__ == "__main__":
    main()
