"""What serving costs before and after compression, and what accuracy it costs: a ranker of texts on MovieLens-100K.

    python benchmarks/accuracy/compression.py [--json] [--users 400] [--epochs 2]

The last event of each user is held out; everything is ranked. The ranker reads the texts of a history and of a candidate
together through all-MiniLM-L6-v2, whose last layers learned with it. `torch f32` is the network as it was trained;
`served f32` is the same as an ONNX graph. The rows below are what `Strategy.compressed` offers, boldest first: students
of fewer layers that learned from it, in whole numbers; then the network itself in whole numbers. It ends with the first
that loses at most 1% of NDCG@10 on one half of the users; the other half is reported. The time of a request is the
median over requests that are asked of all in turn. The floor is the base strategy without the ranker.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, judge, options

METRICS = ("ndcg@10", "recall@10", "coverage@10", "popularity-lift@10")
RANKER = {
    "base": "transitions",
    "reads": "texts",
    "tune": "top",
    "candidates": 20,
    "events": 4,
    "length": 10,
    "learning_rate": 2e-4,
    "batch": 16,
    "negatives": 5,
}
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
        users={"type": int, "default": 400, "help": "users that are judged, half of them to choose"},
        epochs={"type": int, "default": 2, "help": "of the ranker"},
        base={"default": "transitions", "help": "the strategy whose candidates are ranked again"},
        requests={"type": int, "default": 40, "help": "requests that are timed"},
    )
    folder = data_folder() / "ml-100k" / "raw"
    import copy

    from recloop.data.split import split
    from recloop.strategies import make
    from recloop.strategies.lm_ranker.student import teacher_of

    settings = RANKER | {"base": arguments.base, "epochs": arguments.epochs}
    made = split(movielens(folder), "leave-last-out")
    order = np.random.default_rng(0).permutation(len(made))[: arguments.users]
    chooses, reports = np.sort(order[::2]), np.sort(order[1::2])
    with Meter() as training:
        strategy = make("lm-ranker", **settings).fit(made.train)
    network = teacher_of(strategy)
    trained = copy.copy(strategy)
    trained._graph = Torch(network)
    few = made.histories.take(reports[:4])
    lists = strategy._lists(strategy._base._score(few), few)
    told, served = (ranker._logits(lists, few, np.arange(4)) for ranker in (trained, strategy))
    assert np.allclose(told, served, atol=1e-3), "the served network is not the trained one"
    size = 4 * sum(value.numel() for value in network.state_dict().values())
    size += saved(strategy) - len(strategy._graph.data)
    base = make(arguments.base).fit(made.train)

    def values(ranker, users):
        histories = made.histories.take(users)
        ranked = ranker.rank(histories, 10)
        return judge(ranked, made.truth.take(users), histories, made.train, METRICS)

    rows = {"torch f32": trained, "served f32": strategy}
    depths = ["third of the layers, half inside", "third of the layers", "half of the layers", "all layers"]
    allowed = (1 - LIMIT) * float(np.nanmean(values(strategy, chooses)["ndcg@10"]))
    with Meter() as compressing:
        for depth, smaller in zip(depths, strategy.compressed(made.train), strict=False):
            rows[f"int8, {depth}"] = smaller
            if float(np.nanmean(values(smaller, chooses)["ndcg@10"])) >= allowed:
                break
    times = medians(list(rows.values()), made.histories.take(reports), arguments.requests)
    sizes = [size, *(saved(entry) for entry in list(rows.values())[1:])]
    judged = {name: values(entry, reports) for name, entry in rows.items() if name != "torch f32"}
    judged = {"torch f32": judged["served f32"]} | judged  # the same function, as was just seen
    goal = (1 - LIMIT) * float(np.nanmean(judged["torch f32"]["ndcg@10"]))
    board = Board("ranker of texts, ML-100K", goal={"ndcg@10": goal}, floor=arguments.base)
    board.add(arguments.base, values(base, reports))
    for (name, per_user), p50, bytes_ in zip(judged.items(), times, sizes, strict=True):
        meter = {"torch f32": training, list(rows)[-1]: compressing}.get(name)
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


if __name__ == "__main__":
    main()
