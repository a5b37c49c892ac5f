"""A sequence network before a catalogue it never met: films to games, with none, few and all of the new log.

    python benchmarks/accuracy/transfer.py --target games|films [--epochs 4] [--json]

The source is MovieLens-1M (title and genres), on which `sequence` with items made from text is trained. For the target
``games`` that is all of it, and the target is Amazon's Video Games (titles); for ``films`` the source is half of the films
and half of the users, and the target the other films and users. Leave-last-out, all items ranked, k = 10. Zero-shot sees
no event of the target; few-shot goes on learning from the histories of a few other users of the target; "here" learns
from the same few, or from many, without the source. `content` reads the same texts and learns nothing. `transfer` adds
the network to `content` with the weight that helps on the few or the many; "network alone" is the network without it.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from protocol import Board, Meter, data_folder, judge, options
from sequence import METRICS, log_of

NETWORK = {"items_from": "text", "width": 64, "window": 50, "batch": 2048, "negatives": 1024, "patience": None}
ALONE = 1e6  # so heavy that the texts break ties only
USERS = {"games": (5_000, 1_000, 20_000), "films": (1_000, 200, 2_000)}  # judged, few, many


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


def part(data, users: np.ndarray, items: np.ndarray | None = None):
    """The dataset with the events of these users alone, and with these items alone; else the catalogue stays whole."""
    import polars as pl

    from recloop.data.dataset import Dataset

    kept = pl.col("user").is_in(users) & (pl.lit(value=True) if items is None else pl.col("item").is_in(items))
    events = data.events.filter(kept).select(
        user=pl.col("user").cast(pl.String),
        item=pl.lit(np.array(data.item_ids.ids)).gather(pl.col("item")),
    )
    return Dataset.of(events, items=data.items if items is None else data.items[items])


def halves(data):
    """Two logs without a common user or film."""
    rng = np.random.default_rng(0)
    users, items = rng.permutation(data.n_users), np.sort(rng.permutation(data.n_items)[: data.n_items // 2])
    others = np.setdiff1d(np.arange(data.n_items), items)
    return part(data, users[::2], items), part(data, users[1::2], others)


def main() -> None:
    words = {
        "target": {"choices": tuple(USERS), "default": "games", "help": "what the network is moved to"},
        "epochs": {"type": int, "default": 4, "help": "on the source"},
        "source_users": {"type": int, "help": "of the source, at most"},
        "model": {"type": Path, "help": "a folder with the network that learned, which is then not trained"},
        "only": {"nargs": "*", "help": "rows"},
    }
    arguments = options(__doc__, **words)
    last, few_users, many_users = USERS[arguments.target]
    folder = data_folder()
    os.environ["RECLOOP_LOGGER"] = "none"
    from recloop.data.split import split
    from recloop.strategies import make

    with tempfile.TemporaryDirectory() as scratch:
        source = arguments.model or Path(scratch) / "films"
        os.environ["RECLOOP_CACHE"] = scratch
        if arguments.target == "games":
            taught, target = films(folder), log_of("games", folder)
        else:
            taught, target = halves(films(folder))
        if arguments.source_users:
            taught = part(taught, np.arange(arguments.source_users))
        with Meter() as teaching:
            if not arguments.model:
                make("sequence", **NETWORK, epochs=arguments.epochs).fit(taught).save(source)
        held = split(target, "leave-last-out")
        rows = np.arange(len(held.histories) - last, len(held.histories))
        judged, truth = held.histories.take(rows), held.truth.take(rows)
        few, many = (part(held.train, np.arange(count)) for count in (few_users, many_users))
        board = Board(f"films → {arguments.target}", goal=dict.fromkeys(METRICS[:2], 0.0), floor="content")
        moved = {"source": str(source)}  # with the passes and the rate of one that starts here
        methods = {
            "content": (make("content"), few),
            "network alone, zero-shot": (make("transfer", **moved, weight=ALONE), few),
            "transfer, zero-shot": (make("transfer", **moved), few),
            "network alone, few-shot": (make("transfer", **moved, epochs=20, weight=ALONE), few),
            "transfer, few-shot": (make("transfer", **moved, epochs=20), few),
            "here, few": (make("sequence", **NETWORK, epochs=20), few),
            "network alone, many": (make("transfer", **moved, epochs=4, weight=ALONE), many),
            "transfer, many": (make("transfer", **moved, epochs=4), many),
            "here, many": (make("sequence", **NETWORK, epochs=4), many),
        }
        for name, (strategy, data) in methods.items():
            if arguments.only and name not in arguments.only:
                continue
            with Meter() as meter:
                strategy.fit(data)
            assert strategy.items.ids == held.train.item_ids.ids
            values = judge(strategy.rank(judged, 10), truth, judged, held.train, METRICS)
            board.add(name, values, meter, **({"weight": strategy._weight} if "transfer" in name else {}))
        board.show(arguments)
        if not arguments.json:
            print(f"\nthe source took {teaching.cpu:.0f} CPU s")


if __name__ == "__main__":
    main()
