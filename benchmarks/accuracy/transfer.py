"""A sequence network before a catalogue it never met: films to games, with none, few and all of the new log.

    python benchmarks/accuracy/transfer.py [--epochs 4] [--json]

The source is MovieLens-1M (title and genres), on which `sequence` with items made from text is trained. The target is
Amazon's Video Games (titles), leave-last-out, all 16,859 items ranked, k = 10, for the last 5,000 users. Zero-shot sees no
event of the target; few-shot goes on learning from the histories of 1,000 other users; "here" learns from the same 1,000
without the source, and from 20,000 with and without it. `content` reads the same texts and learns nothing.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from protocol import Board, Meter, data_folder, judge, options
from sequence import METRICS, log_of

NETWORK = {"items_from": "text", "width": 64, "window": 50, "batch": 2048, "negatives": 1024, "patience": None}
JUDGED, FEW, MANY = 5_000, 1_000, 20_000


def films(folder: Path):
    """MovieLens-1M in time order, with titles and genres."""
    from recloop.data.source import Source, read

    columns = {"user": "user", "item": "item", "value": "rating", "order": "order"}
    return read(
        Source(
            events=str(folder / "ml-1m" / "ratings.parquet"),
            items=str(folder / "ml-1m" / "movies_text.parquet"),
            kind="rating",
            columns=columns,
            item_columns={"item": "item", "title": "title", "category": "genres"},
        )
    ).dataset


def of_users(data, users: np.ndarray):
    """The dataset with the events of these users alone; the catalogue stays whole."""
    import polars as pl

    from recloop.data.dataset import Dataset

    events = data.events.filter(pl.col("user").is_in(users)).select(
        user=pl.col("user").cast(pl.String),
        item=pl.lit(np.array(data.item_ids.ids)).gather(pl.col("item")),
    )
    return Dataset.of(events, items=data.items)


def main() -> None:
    arguments = options(__doc__, epochs={"type": int, "default": 4, "help": "on the source"})
    folder = data_folder()
    os.environ["RECLOOP_LOGGER"] = "none"
    from recloop.data.split import split
    from recloop.strategies import make

    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "films"
        os.environ["RECLOOP_CACHE"] = scratch
        with Meter() as teaching:
            make("sequence", **NETWORK, epochs=arguments.epochs).fit(films(folder)).save(source)
        held = split(log_of("games", folder), "leave-last-out")
        judged = held.histories.block(len(held.histories) - JUDGED, len(held.histories))
        truth = held.truth.take(np.arange(len(held.histories) - JUDGED, len(held.histories)))
        few, many = (of_users(held.train, np.arange(count)) for count in (FEW, MANY))
        board = Board("films → games", goal=dict.fromkeys(METRICS[:2], 0.0), floor="content")
        rows = {
            "content": (make("content"), few),
            "transfer, zero-shot": (make("transfer", source=str(source)), few),
            "transfer, few-shot": (make("transfer", source=str(source), epochs=5), few),
            "here, few": (make("sequence", **NETWORK, epochs=20), few),
            "transfer, many": (make("transfer", source=str(source), epochs=4), many),
            "here, many": (make("sequence", **NETWORK, epochs=4), many),
        }
        for name, (strategy, data) in rows.items():
            with Meter() as meter:
                strategy.fit(data)
            assert strategy.items.ids == held.train.item_ids.ids
            board.add(name, judge(strategy.rank(judged, 10), truth, judged, held.train, METRICS), meter)
        board.show(arguments)
        if not arguments.json:
            print(f"\nthe source took {teaching.cpu:.0f} CPU s")


if __name__ == "__main__":
    main()
