"""What serving costs before and after compression, and what accuracy it costs: what `recloop compress` does, on real logs.

    python benchmarks/accuracy/compression.py [--of sequence|lm-ranker] [--users N] [--epochs N] [--json]

`sequence` learns the next item on the first users of Games 2018, its item vectors started from titles; `lm-ranker` reads
the texts of a history and of a candidate together on MovieLens-100K, over the candidates of `--base`. The last event of
each user is held out; everything is ranked. `torch f32` is the network as it was trained; `served f32` is the same as an
ONNX graph. The rows below are what `Strategy.compressed` offers, boldest first: students that learned from it, with
matrices of six bits, then of eight; then itself. It ends with the first that loses at most 1% of NDCG@10 on one half of
the users; the other half is reported. The time of a request is the median over requests that are asked of all in turn.
The floor is `transitions`, or the base without the ranker.
"""

import copy
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from generative import first_users
from protocol import Board, Meter, bootstrap, data_folder, judge, options
from sequence import SETTINGS

METRICS = ("ndcg@10", "recall@10", "coverage@10", "popularity-lift@10")
RANKER = {
    "reads": "texts",
    "tune": "top",
    "candidates": 20,
    "events": 4,
    "length": 10,
    "learning_rate": 2e-4,
    "batch": 16,
    "negatives": 5,
}
DEPTHS = ["third of the layers, half inside", "third of the layers", "half of the layers", "all layers"]
LIMIT = 0.01  # of NDCG@10, relative


class Torch:
    """The network as it was trained, in the place of the graph that is served."""

    def __init__(self, network) -> None:
        self.network = network

    def run(self, **inputs):
        import torch

        with torch.no_grad():
            return (
                self.network(*(torch.from_numpy(np.ascontiguousarray(value)) for value in inputs.values())).numpy(),
            )


def movielens(folder: Path):
    """The log with titles and genres."""
    from recloop.data.dataset import Dataset

    names = ["user", "item", "value", "time"]
    events = pl.read_csv(folder / "u.data", separator="\t", has_header=False, new_columns=names)
    genres = [line.split("|")[0] for line in (folder / "u.genre").read_text().splitlines() if line]
    films = [line.split("|") for line in (folder / "u.item").read_text(encoding="latin-1").splitlines()]
    items = {
        "item": [film[0] for film in films],
        "title": [film[1] for film in films],
        "category": [", ".join(n for n, on in zip(genres, film[5:], strict=True) if on == "1") for film in films],
    }
    return Dataset.of(events.select("user", "item", "time"), pl.DataFrame(items))


@dataclass
class Case:
    """A strategy that learned, the same with its network in torch, and what that takes."""

    title: str
    made: Any  # the split
    floor: str
    strategy: Any
    trained: Any
    bytes_: int
    names: list[str]  # of what it offers, in order
    training: Meter


def sequence(arguments) -> Case:
    from recloop.data.split import split
    from recloop.language.item_vectors import vectors
    from recloop.strategies import make
    from recloop.strategies.sequence.network import LastPlace
    from recloop.strategies.sequence.strategy import SequenceTransformer
    from recloop.strategies.sequence.student import _teacher

    made = split(first_users(arguments.users or 12_000), "leave-last-out")
    settings = SETTINGS["games"] | {"items_from": "text-start"}
    settings |= {"epochs": arguments.epochs} if arguments.epochs else {}
    with Meter() as training:
        if arguments.model:
            strategy = SequenceTransformer.load(arguments.model)
        else:
            vectors(made.train)
            strategy = make("sequence", **settings).fit(made.train)
    network = LastPlace(_teacher(strategy).transformer)
    trained = copy.copy(strategy)
    vars(trained)["_served"] = Torch(network)
    few = made.histories.block(0, 50)
    assert np.allclose(trained.score(few), strategy.score(few), atol=1e-3), "the served network is not the trained one"
    size = 4 * sum(value.numel() for value in network.state_dict().values())
    size += saved(strategy) - len(strategy._graph)
    students = [f"{blocks} of {strategy.blocks} blocks" for blocks in (1,) if blocks < strategy.blocks]
    names = [f"{network}, {form}" for network in [*students, "all blocks"] for form in ("6 bits", "8 bits")]
    title = f"sequence, Games, first {len(made):,} users, {made.train.n_items:,} items"
    return Case(title, made, "transitions", strategy, trained, size, names, training)


def ranker(arguments) -> Case:
    from recloop.data.split import split
    from recloop.strategies import make
    from recloop.strategies.lm_ranker.student import teacher_of

    made = split(movielens(data_folder() / "ml-100k" / "raw"), "leave-last-out")
    settings = RANKER | {"base": arguments.base, "epochs": arguments.epochs or 2}
    with Meter() as training:
        strategy = make("lm-ranker", **settings).fit(made.train)
    network = teacher_of(strategy)
    trained = copy.copy(strategy)
    trained._graph = Torch(network)
    few = made.histories.block(0, 4)
    lists = strategy._lists(strategy._base._score(few), few)
    told, served = (ranker._logits(lists, few, np.arange(4)) for ranker in (trained, strategy))
    assert np.allclose(told, served, atol=1e-3), "the served network is not the trained one"
    size = 4 * sum(value.numel() for value in network.state_dict().values())
    size += saved(strategy) - len(strategy._graph.data)
    names = [f"{depth}, {form}" for depth in DEPTHS for form in ("6 bits", "8 bits")]
    return Case("ranker of texts, ML-100K", made, arguments.base, strategy, trained, size, names, training)


def saved(strategy) -> int:
    """Bytes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        strategy.save(Path(folder) / "it")
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def medians(rankers, histories, requests: int) -> list[float]:
    """Median milliseconds of a request of each, all asked in turn."""
    spent = [[] for _ in rankers]
    for row in range(requests + 3):
        one = histories.block(row, row + 1)
        for ranker, seconds in zip(rankers, spent, strict=True):
            start = time.perf_counter()
            ranker.rank(one, 10)
            if row >= 3:
                seconds.append(time.perf_counter() - start)
    return [1000 * float(np.median(seconds)) for seconds in spent]


def main() -> None:
    arguments = options(
        __doc__,
        of={"choices": ("sequence", "lm-ranker"), "default": "sequence", "help": "which strategy"},
        users={"type": int, "help": "sequence: the first of the log; lm-ranker: that are judged, 400"},
        epochs={"type": int, "help": "of the training; by default 15, or 2"},
        base={"default": "transitions", "help": "lm-ranker: the strategy whose candidates are ranked again"},
        model={"type": Path, "help": "sequence: a folder with the one that learned, which is then not trained"},
        requests={"type": int, "default": 40, "help": "requests that are timed"},
    )
    os.environ.setdefault("RECLOOP_CACHE", tempfile.mkdtemp())
    os.environ["RECLOOP_LOGGER"] = "none"
    from recloop.strategies import make

    case = sequence(arguments) if arguments.of == "sequence" else ranker(arguments)
    made, strategy = case.made, case.strategy
    order = np.random.default_rng(0).permutation(len(made))
    order = order if arguments.of == "sequence" else order[: arguments.users or 400]
    chooses, reports = np.sort(order[::2]), np.sort(order[1::2])

    def values(ranker, users):
        histories = made.histories.take(users)
        ranked = ranker.rank(histories, 10)
        return judge(ranked, made.truth.take(users), histories, made.train, METRICS)

    rows = {"torch f32": case.trained, "served f32": strategy}
    chosen_on = float(np.nanmean(values(strategy, chooses)["ndcg@10"]))
    tried = []
    with Meter() as compressing:
        for name, smaller in zip(case.names, strategy.compressed(made.train), strict=False):
            rows[name] = smaller
            tried.append((name, float(np.nanmean(values(smaller, chooses)["ndcg@10"])) / chosen_on - 1))
            if tried[-1][1] >= -LIMIT:
                break
    times = medians(list(rows.values()), made.histories.take(reports), arguments.requests)
    sizes = [case.bytes_, *(saved(entry) for entry in list(rows.values())[1:])]
    judged = {name: values(entry, reports) for name, entry in rows.items() if name != "torch f32"}
    judged = {"torch f32": judged["served f32"]} | judged  # the same function, as was seen
    before = judged["torch f32"]["ndcg@10"]
    board = Board(case.title, goal={"ndcg@10": (1 - LIMIT) * float(np.nanmean(before))}, floor=case.floor)
    board.add(case.floor, values(make(case.floor).fit(made.train), reports))
    for (name, per_user), p50, bytes_ in zip(judged.items(), times, sizes, strict=True):
        meter = {"torch f32": case.training, list(rows)[-1]: compressing}.get(name)
        board.add(
            name,
            per_user,
            meter,
            megabytes=bytes_ / 1e6,
            times_smaller=sizes[0] / bytes_,
            p50_ms=p50,
            times_faster=times[0] / p50,
        )
    board.show(arguments)
    if arguments.json:
        return
    for name, gain in tried:
        mean, low, high = bootstrap(judged[name]["ndcg@10"] - before)
        print(f"\n{name}: NDCG@10 {gain:+.2%} on the half that chooses; on the other", end=" ")
        print(f"{mean / np.nanmean(before):+.2%}, {mean:+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    main()
