"""Next-item accuracy: the sequence transformer against transition counts, everything ranked, the last event held out.

    python benchmarks/accuracy/sequence.py --data ml-1m|beauty|games [--only NAME ...] [--json]

Leave-last-out, seen items hidden, k = 10, no timestamps. The network validates on the last *training* event of at most
1,000 users, which it does not learn from. ``games`` has titles, so that item vectors that are free, that start from
text and that are made from text are compared with one another. The last rows fuse lists of the rows above by reciprocal
rank, at the default weights. Trained anew each time (RECLOOP_CACHE is a temporary folder).
"""

import html
import os
import tempfile
from pathlib import Path

import polars as pl
from protocol import Board, Meter, bootstrap, data_folder, judge, options

METRICS = ("recall@10", "ndcg@10", "coverage@10", "popularity-lift@10")
GOALS = {
    "ml-1m": {"recall@10": 0.3133, "ndcg@10": 0.1779},
    "beauty": {"recall@10": 0.0928, "ndcg@10": 0.0536},
    "games": {"recall@10": 0.0762 * 1.15, "ndcg@10": 0.0470 * 1.15},
}
PUBLISHED = {
    "ml-1m": {
        "eSASRec": {"recall@10": 0.3133, "ndcg@10": 0.1772},
        "SASRec, softmax (RecTools)": {"recall@10": 0.3058, "ndcg@10": 0.1779},
        "gSASRec": {"recall@10": 0.3003, "ndcg@10": 0.1726},
    },
    "beauty": {
        "eSASRec": {"recall@10": 0.0928, "ndcg@10": 0.0523},
        "SASRec, sampled softmax": {"recall@10": 0.0921, "ndcg@10": 0.0531},
        "TIGER": {"recall@10": 0.0648, "ndcg@10": 0.0384},
    },
    "games": {},
}
SETTINGS = {
    "ml-1m": {"width": 128, "epochs": 14, "patience": None},
    "beauty": {"width": 64, "window": 50, "epochs": 30, "batch": 1024, "dropout": 0.4},
    "games": {"width": 64, "window": 50, "epochs": 15, "batch": 2048, "dropout": 0.3, "negatives": 2048},
}


def log_of(name: str, folder: Path):
    """The dataset, in the order of each user's events."""
    from recloop.data.dataset import Dataset
    from recloop.data.source import Source, read

    if name == "ml-1m":
        return read(Source(events=str(folder / "ml-1m" / "sasrec_sequences.txt"))).dataset
    if name == "beauty":
        return read(Source(events=str(folder / "amazon-2014-5core" / "Beauty.txt"))).dataset
    games = folder / "games-2018"
    lines = [line.split("\t") for line in (games / "titles.item").read_text().splitlines()[1:]]
    items = pl.DataFrame({"item": [row[0] for row in lines], "title": [html.unescape(row[1]) for row in lines]})
    log = [line.split("\t") for line in (games / "sequences" / "Games-6k.test.inter").read_text().splitlines()[1:]]
    events = pl.DataFrame({"user": [row[0] for row in log], "item": [[*row[1].split(), row[2]] for row in log]})
    return Dataset.of(events.explode("item"), items=items)


def main() -> None:
    data = {"choices": tuple(GOALS), "default": "ml-1m", "help": "which log"}
    arguments = options(__doc__, data=data, only={"nargs": "*", "default": None, "help": "rows to train"})
    name = arguments.data
    folder = data_folder()
    os.environ["RECLOOP_CACHE"] = tempfile.mkdtemp()
    os.environ["RECLOOP_LOGGER"] = "none"
    from recloop.compose import SlateConfig, build
    from recloop.data.split import split
    from recloop.strategies import make

    held = split(log_of(name, folder), "leave-last-out")
    rows = {"transitions": make("transitions"), "sequence": make("sequence", **SETTINGS[name])}
    if name == "games":
        for items_from in ("text-start", "text"):
            rows[f"sequence, {items_from}"] = make("sequence", items_from=items_from, **SETTINGS[name])
    rows = {row: strategy for row, strategy in rows.items() if not arguments.only or row in arguments.only}
    board = Board(f"{name}, next item", goal=GOALS[name], floor="transitions", published=PUBLISHED[name])
    values = {}
    for row, strategy in rows.items():
        with Meter() as meter:
            strategy.fit(held.train)
        with Meter() as scoring:
            rankings = strategy.rank(held.histories, 10)
        values[row] = judge(rankings, held.truth, held.histories, held.train, METRICS)
        board.add(row, values[row], meter, score_cpu_s=scoring.cpu)
    for row in rows:
        if row.startswith("sequence") and "transitions" in rows:
            config = SlateConfig(sources=[row, "transitions"], fallback="transitions")
            policy = build(config, rows, None)
            ranked = policy.rank(held.histories, 10)
            board.add(f"{row} + transitions", judge(ranked, held.truth, held.histories, held.train, METRICS))
    board.show(arguments)
    if name == "games" and not arguments.json and {"sequence", "sequence, text-start"} <= set(values):
        for metric in GOALS[name]:
            gap = bootstrap(values["sequence, text-start"][metric] - values["sequence"][metric])
            print(f"started from text minus free, {metric}: {gap[0]:+.4f} ({gap[1]:+.4f} to {gap[2]:+.4f})")


if __name__ == "__main__":
    main()
