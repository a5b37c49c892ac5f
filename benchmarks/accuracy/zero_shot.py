"""Zero-shot text ranking: 20 candidates for each of 200 users, by text alone, nothing learned from anybody's behaviour.

    python benchmarks/accuracy/zero_shot.py [--data ml-1m games] [--others 4000] [--json]

The users and candidates of LLMRank (Hou et al. 2024, "Large language models are zero-shot rankers for recommender
systems"): the first 20 of the file of random candidates, the last of them replaced by the user's next item where it is
not among them. Histories are whole, in order. What is fitted sees a log in which each item was touched once: texts only,
no popularity. On MovieLens 6% of the candidates are films of the history; they are hidden, as recloop does, and one row
leaves them in. 200 users are few, so the same is measured on ``--others``: users that are neither among the 200 nor
among those that settings were chosen on, with 19 candidates drawn at random.

On MovieLens a text is title, year and genres; on Games the title alone.
"""

import html
import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, judge, options

CANDIDATES, K = 20, 10
CHOSEN_ON = {"ml-1m": 1500, "games": 3000}  # the first users of the shuffled others: settings were chosen on them
METRICS = (f"ndcg@{K}", f"popularity-lift@{K}")
GOALS = {"ml-1m": 0.57, "games": 0.58}
PUBLISHED = {
    "ml-1m": {"GPT-3.5": 0.4880, "TF-IDF of title and genre": 0.542, "SASRec, trained": 0.7889},
    "games": {"GPT-4": 0.6288, "TF-IDF of the title": 0.541, "popularity": 0.513, "SASRec, trained": 0.7592},
}
FLOOR = "TF-IDF, whole history"
VARIANTS = {
    "content": {},
    "content, meaning alone": {"lexical": 0.0},
    "TF-IDF, recent first": {"lexical": 100.0},
    FLOOR: {"lexical": 100.0, "history": "mean"},
}


class Users(NamedTuple):
    """Histories, the next item, and the candidates of n users, as item indices."""

    histories: list[list[int]]
    truth: np.ndarray
    candidates: np.ndarray  # (n, CANDIDATES)


def read(name: str, folder: Path) -> tuple[pl.DataFrame, dict[str, list[str]], dict[str, list[str]]]:
    """The catalogue; user → items in order, the last to be foretold; user → random candidates."""
    if name == "ml-1m":
        lines = [line.split("\t") for line in (folder / "llmrank/ml-1m/ml-1m.item").read_text().splitlines()[1:]]
        items = pl.DataFrame(
            {
                "item": [line[0] for line in lines],
                "title": [f"{line[1]} ({line[2]})" for line in lines],
                "category": [", ".join(line[3].split()) for line in lines],
            }
        )
        rated = pl.read_parquet(folder / "ml-1m/ratings.parquet").drop_nulls("order").sort("user", "order")
        taken = rated.group_by("user", maintain_order=True).agg(pl.col("item").cast(pl.String))
        sequences = {str(user): row for user, row in taken.iter_rows()}
        random = folder / "llmrank/ml-1m/ml-1m.random"
    else:
        lines = [line.split("\t") for line in (folder / "games-2018/titles.item").read_text().splitlines()[1:]]
        items = pl.DataFrame({"item": [row[0] for row in lines], "title": [html.unescape(row[1]) for row in lines]})
        log = (folder / "games-2018/sequences/Games-6k.test.inter").read_text().splitlines()[1:]
        sequences = {user: [*past.split(), last] for user, past, last in (line.split("\t") for line in log)}
        random = folder / "games-2018/zero_shot_candidates.random"
    candidates = dict(line.split("\t") for line in random.read_text().splitlines())
    return items, sequences, {user: row.split() for user, row in candidates.items()}


def listed(data, sequences: dict[str, list[str]], drawn: dict[str, list[str]]) -> Users:
    """The 200 users with their candidates."""
    place = data.item_ids.index
    rows = []
    for user, found in drawn.items():
        *past, last = (place(item) for item in sequences[user])
        first = [place(item) for item in found[:CANDIDATES]]
        rows.append((past, last, first if last in first else [*first[:-1], last]))
    past, last, candidates = zip(*rows, strict=True)
    return Users(list(past), np.array(last), np.array(candidates))


def others(data, sequences, drawn, name: str, n: int) -> Users:
    """``n`` more users (fewer where there are no more) with random candidates."""
    rng = np.random.default_rng(0)
    users = [user for user in sequences if user not in drawn]
    users = [users[row] for row in rng.permutation(len(users))][CHOSEN_ON[name] :][:n]
    found = [[data.item_ids.index(item) for item in sequences[user]] for user in users]
    candidates = []
    for row in found:
        without = np.setdiff1d(np.arange(data.n_items), row if name == "games" else row[-1:])
        candidates.append([*rng.choice(without, CANDIDATES - 1, replace=False), row[-1]])
    return Users([row[:-1] for row in found], np.array([row[-1] for row in found]), np.array(candidates))


def rank(strategy, users: Users, *, hide_seen: bool):
    """The best K candidates of each user."""
    from recloop.data.histories import Histories
    from recloop.data.rankings import Rankings, top_k

    parts = []
    for at in range(0, len(users.truth), 500):
        histories = Histories.of(users.histories[at : at + 500], len(strategy.items))
        scores = strategy.score(histories)
        if hide_seen:
            scores[histories.rows, histories.items] = -np.inf
        kept = np.full_like(scores, -np.inf)
        candidates = users.candidates[at : at + 500]
        np.put_along_axis(kept, candidates, np.take_along_axis(scores, candidates, axis=1), axis=1)
        parts.append(top_k(kept, K))
    return Rankings(*(np.concatenate([getattr(part, side) for part in parts]) for side in ("items", "scores")))


def measure(name: str, folder: Path, n: int) -> Iterator[Board]:
    """One catalogue: the 200 users, then the others."""
    from recloop.data.dataset import Dataset
    from recloop.data.histories import Histories
    from recloop.data.truth import Truth
    from recloop.strategies import make

    items, sequences, drawn = read(name, folder)
    once = pl.DataFrame({"user": [f"nobody {place}" for place in range(items.height)], "item": items["item"]})
    texts = Dataset.of(once, items)
    past = [(user, item) for user, row in sequences.items() for item in row[:-1]]
    log = Dataset.of(
        pl.DataFrame(past, schema=["user", "item"], orient="row"), items
    )  # to tell popularity, never fitted
    fitted = {}
    for row, settings in {"random": None, **VARIANTS}.items():
        with Meter() as meter:
            fitted[row] = make("random") if settings is None else make("content", **settings)
            fitted[row].fit(texts)
        fitted[row].meter = meter
    for title, users in (
        (f"{name}: the 200 users", listed(texts, sequences, drawn)),
        (f"{name}: {n:,} other users", others(texts, sequences, drawn, name, n)),
    ):
        histories = Histories.of(users.histories, texts.n_items)
        rows = np.arange(len(users.truth))
        truth = Truth.of(rows, users.truth, np.ones(len(rows)), n_rows=len(rows), n_items=texts.n_items)
        goal = {f"ndcg@{K}": GOALS[name]}
        known = {source: {f"ndcg@{K}": value} for source, value in PUBLISHED[name].items()}
        board = Board(f"zero-shot, {title}", goal=goal, floor=FLOOR, published=known)
        for row, strategy in fitted.items():
            rankings = rank(strategy, users, hide_seen=True)
            board.add(row, judge(rankings, truth, histories, log, METRICS), strategy.meter)
        if name == "ml-1m":
            rankings = rank(fitted["content"], users, hide_seen=False)
            board.add("content, seen films left in", judge(rankings, truth, histories, log, METRICS))
        yield board


def main() -> None:
    arguments = options(
        __doc__,
        data={"nargs": "+", "choices": tuple(GOALS), "default": list(GOALS), "help": "which catalogues"},
        others={"type": int, "default": 4000, "help": "how many other users"},
    )
    folder = data_folder()
    with TemporaryDirectory() as cache:  # so that encoding is part of what the first row costs
        os.environ["RECLOOP_CACHE"] = cache
        boards = (board for name in arguments.data for board in measure(name, folder, arguments.others))
        if arguments.json:
            print(json.dumps([board.results() for board in boards], indent=1))
            return
        for board in boards:
            board.show(arguments)
            print()


if __name__ == "__main__":
    main()
