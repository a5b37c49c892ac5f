"""Warm accuracy: linear, graph and pairwise strategies on the BARS split of MovieLens-1M, everything ranked.

    python benchmarks/accuracy/warm.py [--json]

6,022 users, 3,043 items, 796,244 training pairs; the 20 best of all items that the user has no training pair with.
Recall@20 is hits over held-out items and NDCG@20 is binary, as in BARS (openbenchmark.github.io). Settings were chosen on
a part of the training pairs. The floor is the linear model as published, reg = 500.
"""

from pathlib import Path

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, judge, options

METRICS = ("recall@20", "ndcg@20", "coverage@20", "popularity-lift@20")
PUBLISHED = {
    "SimpleX": {"recall@20": 0.2802, "ndcg@20": 0.2670},
    "UltraGCN": {"recall@20": 0.2787, "ndcg@20": 0.2642},
    "LightGCN": {"recall@20": 0.2576, "ndcg@20": 0.2427},
}


def pairs(file: Path) -> pl.DataFrame:
    """One row for each pair of a file with ``user item item …`` per line."""
    rows = [line.split() for line in file.read_text().splitlines()]
    lengths = [len(row) - 1 for row in rows]
    return pl.DataFrame(
        {"user": np.repeat([row[0] for row in rows], lengths), "item": [item for row in rows for item in row[1:]]}
    )


def held_out(data, held: pl.DataFrame):
    """Histories and truth of the users of ``held``."""
    from recloop.data.truth import Truth

    users, items = data.user_ids.indices(held["user"]), data.item_ids.indices(held["item"])
    judged, rows = np.unique(users, return_inverse=True)
    truth = Truth.of(rows, items, np.ones(len(rows)), n_rows=len(judged), n_items=data.n_items)
    return data.histories(judged), truth


def strategies():
    """Each method with the settings that were chosen on an eighth of the training pairs of each user."""
    from recloop.strategies import make

    return {
        "popular": make("popular"),
        "ease as published": make("ease", reg=500.0),
        "ease": make("ease", reg=1500.0, item_norm=0.25, user_norm=0.75),
        "graph": make("graph"),
        "slim": make("slim", l1=5.0, l2=500.0, item_norm=0.2, user_norm=0.75),
        "bpr": make("bpr"),
    }


def main() -> None:
    arguments = options(__doc__)
    folder = data_folder() / "ml-1m" / "warm_split_bars"
    from recloop.compose import SlateConfig, build
    from recloop.data.dataset import Dataset

    train = Dataset.of(pairs(folder / "train.txt"))
    histories, truth = held_out(train, pairs(folder / "test.txt"))
    board = Board(
        "ML-1M, BARS split",
        goal={"recall@20": 0.2802, "ndcg@20": 0.2674},
        floor="ease as published",
        published=PUBLISHED,
    )
    fitted = {}
    for name, strategy in strategies().items():
        with Meter() as meter:
            fitted[name] = strategy.fit(train)
        board.add(name, judge(strategy.rank(histories, 20), truth, histories, train, METRICS), meter)
    both = build(SlateConfig(sources=["ease", "graph"], fusion="weighted-score", fallback=""), fitted)
    board.add("ease + graph, composed", judge(both.rank(histories, 20), truth, histories, train, METRICS))
    board.show(arguments)


if __name__ == "__main__":
    main()
