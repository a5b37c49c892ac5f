"""Warm accuracy: linear, graph and pairwise strategies on the BARS split of MovieLens-1M, everything ranked.

    python benchmarks/accuracy/warm.py [--json]

6,022 users, 3,043 items, 796,244 training pairs; the 20 best of all items that the user has no training pair with.
Recall@20 is hits over held-out items and NDCG@20 is binary, as in BARS (openbenchmark.github.io). Settings were chosen on
a part of the training pairs. The floor is popularity; the floor to beat is the linear model with reg = 500.
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


def main() -> None:
    arguments = options(__doc__)
    folder = data_folder() / "ml-1m" / "warm_split_bars"
    from recloop.data.dataset import Dataset
    from recloop.strategies import make

    train = Dataset.of(pairs(folder / "train.txt"))
    histories, truth = held_out(train, pairs(folder / "test.txt"))
    board = Board(
        "ML-1M, BARS split", goal={"recall@20": 0.2802, "ndcg@20": 0.2674}, floor="ease 500", published=PUBLISHED
    )
    for name, strategy in {
        "popular": make("popular"),
        "ease 500": make("ease", reg=500.0),
    }.items():
        with Meter() as meter:
            strategy.fit(train)
        board.add(name, judge(strategy.rank(histories, 20), truth, histories, train, METRICS), meter)
    board.show(arguments)


if __name__ == "__main__":
    main()
