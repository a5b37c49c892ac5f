"""Next-item accuracy of names spelled code by code, beside transition counts and a vector per item.

    python benchmarks/accuracy/generative.py [--users 5000] [--epochs 5] [--only ROW ...] [--json]

The first users of Games 2018 and the items that they took; leave-last-out, everything ranked, seen items hidden, no
timestamps. All networks have one width, depth, window, batch, learning rate and number of epochs; nothing was searched,
and the last epoch is kept. ``new items`` are users whose held-out item nobody took before: only text can foretell
those. Trained anew each time (RECLOOP_CACHE is a temporary folder), but texts are encoded once, before the clock starts.
"""

import os
import tempfile

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, judge, options
from sequence import log_of

METRICS = ("recall@10", "ndcg@10", "coverage@10", "popularity-lift@10")
SHARED = {
    "width": 64,
    "blocks": 2,
    "heads": 2,
    "window": 20,
    "batch": 256,
    "dropout": 0.2,
    "learning_rate": 0.002,
    "held_out": 0,
}


def first_users(users: int):
    """The log of the first users, with a catalogue of what they took."""
    from recloop.data.dataset import Dataset

    whole = log_of("games", data_folder())
    kept = whole.events.filter(pl.col("user") < users)
    names = {"user": whole.user_ids.ids, "item": whole.item_ids.ids}
    events = pl.DataFrame({column: pl.Series(ids).gather(kept[column]) for column, ids in names.items()})
    return Dataset.of(events, items=whole.items.filter(pl.col("item").is_in(events["item"].unique().implode())))


def main() -> None:
    users = {"type": int, "default": 5000, "help": "how many users"}
    epochs = {"type": int, "default": 5, "help": "passes over the events"}
    only = {"nargs": "*", "default": None, "help": "rows to train"}
    arguments = options(__doc__, users=users, epochs=epochs, only=only)
    os.environ["RECLOOP_CACHE"] = tempfile.mkdtemp()
    os.environ["RECLOOP_LOGGER"] = "none"
    from recloop.data.split import split
    from recloop.language.item_vectors import vectors
    from recloop.strategies import make
    from recloop.strategies.prior import popularity

    held = split(first_users(arguments.users), "leave-last-out")
    vectors(held.train)
    new = popularity(held.train)[held.truth.items] == 0
    rows = {
        "transitions": make("transitions"),
        "content": make("content"),
        "sequence": make("sequence", epochs=arguments.epochs, **SHARED),
        "sequence, text": make("sequence", items_from="text", epochs=arguments.epochs, **SHARED),
        "generative": make("generative", epochs=arguments.epochs, **SHARED),
    }
    board = Board(
        f"Games, first {len(held):,} users, {held.train.n_items:,} items, {int(new.sum())} users with a new item",
        goal={},  # nothing is published on this part of the log
        floor="transitions",
    )
    for row, strategy in rows.items():
        if arguments.only and row not in arguments.only:
            continue
        with Meter() as meter:
            strategy.fit(held.train)
        with Meter() as scoring:
            rankings = strategy.rank(held.histories, 10)
        values = judge(rankings, held.truth, held.histories, held.train, METRICS)
        values["recall@10, new items"] = np.where(new, values["recall@10"], np.nan)
        board.add(row, values, meter, score_cpu_s=scoring.cpu)
    board.show(arguments)


if __name__ == "__main__":
    main()
