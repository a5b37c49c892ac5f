"""Are the reasons true? What a reason names is taken out of the history, and the slate is made again.

    python benchmarks/accuracy/reasons.py [--users 200] [--json]

MovieLens-100K, every rating a positive event in the order of time, slates of 10 for users drawn at random, and for each
place of each slate the events that ``recloop.compose.causes`` names. The check is a second, plain one: the history
without these events goes through ``choose`` as any history does. Beside it the same number of other events drawn at
random is taken out, and the one whose text is nearest to the item (what a reason by likeness would name).

named        places with events named (the others say only which strategy brought them)
falls        of these, the item stands deeper without the events; ``random``, ``alike``: without the others
leaves       of these, the item is no longer among the ten
words        places where shared words are named, too
"""

import os
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, options

K, DEPTH = 10, 200
POLICIES = {
    "transitions": {"sources": ["transitions"]},
    "item-knn": {"sources": ["item-knn"]},
    "ease": {"sources": ["ease"]},
    "content": {"sources": ["content"]},
    "transitions + ease": {"sources": ["transitions", "ease"]},
    "transitions + ease, diverse": {"sources": ["transitions", "ease"], "diversity": 0.3},
}
GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]


def read(folder):
    """The ratings as a log without stars, with titles and genres."""
    from recloop.data.dataset import Dataset

    log = pl.read_csv(
        folder / "u.data", separator="\t", has_header=False, new_columns=["user", "item", "stars", "time"]
    )
    films = pl.read_csv(folder / "u.item", separator="|", has_header=False, encoding="latin1")
    marks = films[:, 5:].to_numpy().astype(bool)
    genres = [", ".join(name for name, mark in zip(GENRES, row, strict=True) if mark) for row in marks]
    items = pl.DataFrame({"item": films[:, 0].cast(pl.String), "title": films[:, 1], "category": genres})
    return Dataset.of(log.select("user", "item", "time").cast({"user": pl.String, "item": pl.String}), items)


def places(policy, histories, slates, removed):
    """(n, K) where each item of each slate stands once ``removed`` (n lists of K lists) is out of the history."""
    from recloop.data.histories import Histories

    kept, exclude, wanted = [], [], []
    for row, (items, sets) in enumerate(zip(slates, removed, strict=True)):
        own = histories.items[histories.indptr[row] : histories.indptr[row + 1]]
        for item, out in zip(items, sets, strict=True):
            kept.append(own[~np.isin(own, out)].tolist())
            exclude.append(own)
            wanted.append(item)
    again = Histories.of(kept, n_items=histories.n_items)
    ranked = policy.choose({}, again, DEPTH, np.random.default_rng(0), exclude=exclude).rankings.items
    hit = ranked == np.array(wanted)[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1), DEPTH).reshape(len(slates), K)


def main() -> None:
    arguments = options(__doc__, users={"type": int, "default": 200, "help": "how many"})
    data = read(data_folder() / "ml-100k" / "raw")
    from recloop.compose import build, policy_config
    from recloop.compose.causes import causes
    from recloop.data.histories import Histories
    from recloop.language import vectors
    from recloop.strategies import make

    with TemporaryDirectory() as cache:
        os.environ["RECLOOP_CACHE"] = cache
        likeness = vectors(data)
        strategies = {name: make(name).fit(data) for name in ("transitions", "item-knn", "ease", "content", "popular")}
    rng = np.random.default_rng(0)
    drawn = data.histories(rng.permutation(data.n_users)[: arguments.users])
    own = [drawn.items[drawn.indptr[row] : drawn.indptr[row + 1]] for row in range(len(drawn))]
    histories = Histories.of([items.tolist() for items in own], n_items=data.n_items)
    board = Board("reasons, ML-100K: shares of the places of slates", goal={}, floor="")
    for name, config in POLICIES.items():
        policy = build(policy_config(config), strategies, likeness)
        slates = policy.choose({}, histories, K, rng).rankings.items
        with Meter() as meter:
            found = []
            for row in range(len(histories)):
                one = histories.block(row, row + 1)
                found.append(causes(policy, one, policy.choose({}, one, K, rng)))
        named = [[list(cause.events) for cause in row] for row in found]
        chance = [
            [rng.choice(np.unique(own[row]), len(out), replace=False) for out in sets] for row, sets in enumerate(named)
        ]
        alike = [
            [own[row][(likeness[own[row]] @ likeness[item]).argmax()][None] for item in slates[row]]
            for row in range(len(slates))
        ]
        has = np.array([[bool(out) for out in row] for row in named])
        before = places(policy, histories, slates, [[[]] * K] * len(slates))
        values = {"named": has.mean(axis=1)}
        counts = np.maximum(has.sum(axis=1), 1)
        for what, removed in {"": named, ", random": chance, ", alike": alike}.items():
            after = places(policy, histories, slates, removed)
            for verb, moved in {"falls": after > before, "leaves": after >= K}.items():
                share = (moved & has).sum(axis=1) / counts
                values[f"{verb}{what}"] = np.where(has.any(axis=1), share, np.nan)
        values["words"] = np.array([[bool(cause.words) for cause in row] for row in found]).mean(axis=1)
        values["events named"] = np.array([np.mean([len(out) for out in row if out] or [np.nan]) for row in named])
        board.add(name, values, meter, cpu_ms_per_slate=1000 * meter.cpu / len(histories))
    board.show(arguments)


if __name__ == "__main__":
    main()
