"""Cold items: films that training never met, on the item-cold split of MovieLens-1M; the 905 test films are ranked.

    python benchmarks/accuracy/cold_items.py [--json] [--part validation]

1,811 films in training, 302 in validation, 905 in the test, no film in two of them. A history is what a user has in
training. Text and attributes of the films come from the catalogue beside the split, joined by title and year. Settings
were chosen on the validation films (``--part validation``); the floor is the untrained ``content``, which does best
with title and genres alone. The lift of popularity counts the events of the ranked films, too: in training they have
none.
"""

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, judge, options

METRICS = ("recall@20", "ndcg@20", "coverage@20", "popularity-lift@20")
NEAR = 0.45  # titles of less likeness are two films
PARTS = {"validation": "cold_vali_df", "test": "cold_test_df"}
COLD_FLOOR = {"TF-IDF of title, genres, plot and cast": {"recall@20": 0.1248, "ndcg@20": 0.2733}}


def names(title: str) -> tuple[int, list[frozenset[str]]]:
    """The year of a title, and the words of each name that it gives: "Seven (a.k.a. Se7en) (1995)" gives two."""
    plain = unicodedata.normalize("NFKD", title.lower().replace("&", "and")).encode("ascii", "ignore").decode()
    plain, year = plain[: plain.rindex("(")], int(re.findall(r"\((\d{4})\)", plain)[-1])
    parts = [re.sub(r"\(.*?\)", "", plain), *(p.replace("a.k.a.", "") for p in re.findall(r"\(([^()]*)\)", plain))]
    return year, [frozenset(re.findall(r"[a-z0-9]+", p)) - {"the", "a", "an", "la", "il", "le", "das"} for p in parts]


def same_films(wanted: list[str], known: list[str]) -> list[int | None]:
    """For each wanted title the place of the same film among the known ones; release years may differ a little."""
    places = {title: place for place, title in enumerate(known)}
    left = [(place, *names(title)) for title, place in places.items() if title not in set(wanted)]

    def likeness(year: int, words: list[frozenset[str]], other: int, others: list[frozenset[str]]) -> float:
        return max(len(a & b) / max(1, len(a | b)) for a in words for b in others) - 0.1 * abs(year - other)

    found: list[int | None] = []
    for title in wanted:
        if title in places:
            found.append(places[title])
            continue
        year, words = names(title)
        best, place = max((likeness(year, words, other, others), place) for place, other, others in left)
        found.append(place if best >= NEAR else None)
    return found


def catalogue(folder: Path) -> pl.DataFrame:
    """The 3,018 films with text and attributes; 16 are not found in the larger catalogue and have title and genres."""
    films = pl.read_parquet(folder / "item_cold_split" / "item_df.parquet")
    lines = (folder / "movies.dat").read_text(encoding="latin-1").splitlines()
    known = [(int(number), title) for number, title, _ in (line.split("::") for line in lines)]
    joined = same_films(films["title"].to_list(), [title for _, title in known])
    films = films.with_columns(number=pl.Series([None if place is None else known[place][0] for place in joined]))
    text = pl.read_parquet(folder / "movies_text.parquet").select(
        "director", "actors", "certificate", number="item", genres_too="genres", description="plot"
    )
    return films.join(text, on="number", how="left", maintain_order="left").select(
        "title",
        "description",
        "genres_too",
        "director",
        "actors",
        "certificate",
        item=pl.col("iid").cast(str),
        category="genres",
        year=pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int32),
    )


def read(part: str = "test"):
    """The training data with all films; of the films of one part histories, truth, mask, and the data with their events."""
    from recloop.data.dataset import Dataset
    from recloop.data.truth import Truth

    folder = data_folder() / "ml-1m"
    seen, held = (
        pl.read_parquet(folder / "item_cold_split" / f"{name}.parquet").select(
            user=pl.col("uid").cast(str), item=pl.col("iid").cast(str)
        )
        for name in ("train_df", PARTS[part])
    )
    films = catalogue(folder)
    data = Dataset.of(seen, films)
    users, items = data.user_ids.indices(held["user"]), data.item_ids.indices(held["item"])
    held_users, rows = np.unique(users, return_inverse=True)
    allowed = np.zeros(data.n_items, bool)
    allowed[items] = True
    truth = Truth.of(rows, items, np.ones(len(rows)), n_rows=len(held_users), n_items=data.n_items)
    return data, data.histories(held_users), truth, allowed, Dataset.of(pl.concat([seen, held]), films)


def main() -> None:
    arguments = options(__doc__, part={"choices": tuple(PARTS), "default": "test", "help": "which films to rank"})
    data, histories, truth, allowed, later = read(arguments.part)
    from recloop.strategies import make

    goal = {"recall@20": 0.16, "ndcg@20": 0.33}
    board = Board("ML-1M, new films", goal=goal, floor="content", published=COLD_FLOOR)
    short = replace(data, items=data.items.select("item", "title", "category"))
    for name, strategy in {
        "content": make("content", history="mean"),
        "content, all text": make("content", history="mean"),
        "two-tower": make("two-tower"),
        "two-tower, gradients alone": make(
            "two-tower", start="random", epochs=15, learning_rate=0.003, id_dropout=1.0, patience=None
        ),
    }.items():
        with Meter() as meter:
            strategy.fit(short if name == "content" else data)
        ranked = strategy.rank(histories, 20, allowed=allowed)
        board.add(name, judge(ranked, truth, histories, later, METRICS, allowed=allowed), meter)
    board.show(arguments)


if __name__ == "__main__":
    main()
