"""How well ratings are foretold: RMSE and MAE on MovieLens, beside the model of biases alone.

    python benchmarks/accuracy/ratings.py [--data u1|folds|ml-1m|both] [--json]

MovieLens-100K has five folds of its makers, u1 to u5; of MovieLens-1M a random tenth is held out. Ratings that are held
out are asked for with the history and the profile of their user; times are used by nobody. Settings were chosen on a part
of the training ratings (``--part validation`` judges on it). The floor, "biases", is what the item usually gets plus how
the user leans.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from protocol import Board, Meter, Values, data_folder, options

FLOORS = {"u1": 0.957, "ml-1m": 0.909}  # RMSE of a bias model, measured apart on the same files
GOALS = {"u1": {"rmse": 0.905}, "ml-1m": {"rmse": 0.845}}
PUBLISHED = {
    "u1": {"GLocal-K": {"rmse": 0.8889}},
    "ml-1m": {"GLocal-K, on another random tenth": {"rmse": 0.8227}},
}
GENRES = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


def ml_100k(data: Path, folds: range) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]]:
    """Name, training and test ratings, users and items of folds of MovieLens-100K."""
    folder = data / "ml-100k" / "raw"

    def read(name: str, columns: list[str], separator: str = "\t") -> pl.DataFrame:
        options = {"separator": separator, "has_header": False, "new_columns": columns, "encoding": "latin1"}
        return pl.read_csv(folder / name, **options)

    users = read("u.user", ["user", "age", "gender", "occupation", "zip"], "|")
    items = read("u.item", ["item", "title", "date", "video", "url", *GENRES], "|")
    flags = [pl.when(pl.col(genre) == 1).then(pl.lit(genre)) for genre in GENRES]
    items = items.select(
        "item",
        category=pl.concat_str(flags, separator="|", ignore_nulls=True),
        year=pl.col("date").str.slice(7, 4).cast(pl.Int32, strict=False),
    )
    for number in folds:
        parts = (read(f"u{number}.{part}", ["user", "item", "value", "time"]) for part in ("base", "test"))
        yield (f"u{number}", *parts, users, items)


def ml_1m(data: Path) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]]:
    """The same of MovieLens-1M, a random tenth held out."""

    def read(name: str, columns: list[str]) -> pl.DataFrame:
        lines = (data / "ml-1m" / name).read_text(encoding="latin1").splitlines()
        frame = pl.DataFrame([line.split("::") for line in lines], schema=columns, orient="row")
        return frame.with_columns(pl.col(columns[0]).cast(pl.Int64))

    users = read("users.dat", ["user", "gender", "age", "occupation", "zip"])
    users = users.with_columns(pl.col("age").cast(pl.Int64), zip=pl.col("zip").str.slice(0, 3))
    films = read("movies.dat", ["item", "title", "category"])
    films = films.with_columns(year=pl.col("title").str.extract(r"\((\d{4})\)$").cast(pl.Int32)).drop("title")
    more = pl.read_parquet(data / "ml-1m" / "movies_text.parquet")
    films = films.join(more.select("item", "director", "actors", "certificate"), on="item", how="left")
    ratings = pl.read_parquet(data / "ml-1m" / "ratings.parquet").select("user", "item", value="rating")
    held = pl.Series(np.random.default_rng(0).random(len(ratings)) < 0.1)
    yield "ml-1m", ratings.filter(~held), ratings.filter(held), users, films


class Task:
    """Ratings to learn from and ratings to foretell."""

    def __init__(self, train: pl.DataFrame, test: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame) -> None:
        from recloop.data.dataset import Dataset

        train, test, users, items = (
            frame.with_columns(pl.col("^(user|item)$").cast(pl.String)) for frame in (train, test, users, items)
        )
        train = train.select("user", "item", "value", kind=pl.lit("rating"))
        self.data = Dataset.of(train, items, users)
        test = test.with_columns(column=pl.int_range(pl.len()).over("user"))
        self.users = self.data.user_ids.indices(test["user"])
        self.columns = test["column"].to_numpy()
        self.actual = test["value"].to_numpy().astype(np.float64)
        self.asked = np.full((self.data.n_users, int(self.columns.max()) + 1), -1, dtype=np.int32)
        self.asked[self.users, self.columns] = self.data.item_ids.indices(test["item"])

    def judge(self, strategy: object) -> Values:
        """Per-user values of RMSE and MAE (linearised: their mean is the metric over all ratings)."""
        from recloop.data.rankings import Rankings
        from recloop.data.truth import Truth
        from recloop.metrics import Judged, Ratings, parse_metrics

        histories, n = self.data.histories(profiles=True), self.data.n_users
        predicted = strategy.predict(histories, self.asked)[self.users, self.columns]
        judged = Judged(
            Rankings(np.empty((n, 0), np.int32), np.empty((n, 0), np.float32)),
            Truth(np.zeros(n + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)),
            histories,
            ratings=Ratings(self.users, self.actual, predicted),
        )
        return {metric.name: metric.per_user(judged) for metric in parse_metrics(["rmse", "mae"])}


def validation(train: pl.DataFrame, share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Training ratings parted at random."""
    held = pl.Series(np.random.default_rng(5).random(len(train)) < share)
    return train.filter(~held), train.filter(held)


def main() -> None:
    arguments = options(
        __doc__,
        data={"choices": ("u1", "folds", "ml-1m", "both"), "default": "both", "help": "which set; both: u1 and ml-1m"},
        part={"choices": ("test", "validation"), "default": "test", "help": "which ratings are foretold"},
    )
    folder = data_folder()
    from recloop.strategies import make

    folds = {"u1": range(1, 2), "both": range(1, 2), "folds": range(1, 6), "ml-1m": range(0)}[arguments.data]
    sets = [*ml_100k(folder, folds), *(ml_1m(folder) if arguments.data in {"ml-1m", "both"} else ())]
    for name, train, test, users, items in sets:
        parts = train, test
        if arguments.part == "validation":
            parts = validation(train, 0.1 if name == "ml-1m" else 0.2)
        task = Task(*parts, users, items)
        known = {"bias model, measured apart": {"rmse": FLOORS[name]}} if name in FLOORS else {}
        board = Board(
            f"ratings of {name}, {arguments.part}",
            goal=GOALS.get(name, {}),
            floor="biases",
            published=known | PUBLISHED.get(name, {}),
        )
        for label, strategy in {
            "biases": make("item-knn", rating_neighbours=0),
            "item-knn": make("item-knn"),
            "factorization-machine": make("factorization-machine"),
        }.items():
            with Meter() as fitting:
                strategy.fit(task.data)
            with Meter() as predicting:
                values = task.judge(strategy)
            board.add(label, values, fitting, predict_cpu_s=predicting.cpu)
        board.show(arguments)


if __name__ == "__main__":
    main()
