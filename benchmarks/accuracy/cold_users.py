"""Cold users: ratings of new users, of new films and of both, foretold from a few ratings; MovieLens-1M, MeLU's states.

    python benchmarks/accuracy/cold_users.py [--json] [--draws 5]

1,208 users and the 740 films of 1998 to 2000 take no part in learning. Each user with 13 to 100 ratings of a state gets
10 of them, drawn at random, as the query, and the rest as the history (Lee et al. 2019, "MeLU: meta-learned user
preference estimator for cold-start recommendation", section 4.1). The error of a user is the mean over the query and
over the draws; the state's is the mean over its users. Histories hold nothing but the state's own ratings. The floor
is what an item usually gets plus how the user leans, both shrunk; a film that nobody rated gets the mean of all.
``bias, median`` is the same floor with its expectations turned into steps of the scale as ``adaptive`` does it, by a
tenth of the old users: what is left between the two is the strategy's, not the median's. Settings were chosen on old
users and on films of 1997. Nothing is ranked, so there are no coverage and no popularity lift to tell.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, options

STATES = {"new users": "user_cold_state", "new films": "item_cold_state", "both": "user_and_item_cold_state"}
GOAL = {"mae, new users": 0.7308, "mae, new films": 0.8902, "mae, both": 0.8821}
PUBLISHED = {"MeLU-5": {"mae, new users": 0.7854, "mae, new films": 0.9275, "mae, both": 0.9235}}
QUERY, LEAST, MOST = 10, 13, 100


def states(folder: Path):
    """State → user → items and ratings."""
    found = {}
    for name, file in STATES.items():
        items, ratings = (
            json.loads((folder / "user_cold_states" / f"{file}{end}.json").read_text()) for end in ("", "_y")
        )
        found[name] = {user: (np.array(items[user]), np.array(ratings[user], float)) for user in items}
    return found


def old(folder: Path, cold):
    """The ratings that old users gave to old films, with the catalogue and everybody's profile."""
    from recloop.data.dataset import Dataset

    new_users = {*cold["new users"], *cold["both"]}
    new_films = {film for name in ("new films", "both") for films, _ in cold[name].values() for film in films}
    ratings = pl.read_parquet(folder / "ratings.parquet").select(
        pl.col("user", "item").cast(pl.String), kind=pl.lit("rating"), value="rating"
    )
    known = ratings.filter(~pl.col("user").is_in(new_users) & ~pl.col("item").is_in(new_films))
    told = pl.read_parquet(folder / "movies_text.parquet").select(
        "title", "director", "actors", "certificate", pl.col("item").cast(pl.String), pl.col("year").cast(pl.Int32),
        category="genres", description="plot",
    )  # fmt: skip
    films = ratings.select("item").unique().join(told, on="item", how="left")
    columns = ["user", "gender", "age", "occupation", "zip"]
    people = [line.split("::") for line in (folder / "users.dat").read_text("latin1").splitlines()]
    users = pl.DataFrame(people, schema=columns, orient="row").drop("zip")
    return Dataset.of(known, films, users)


def episodes(data, state, seed: int):
    """Users, histories (n), items asked for (n, 10) and what they got (n, 10)."""
    from recloop.data.histories import Histories

    rng = np.random.default_rng(seed)
    able = [user for user, (films, _) in state.items() if LEAST <= len(films) <= MOST]
    support, given, asked, answers = [], [], [], []
    for user in able:
        films, ratings = state[user]
        films, order = data.item_ids.indices(films.tolist()), rng.permutation(len(films))
        support.append(films[order[:-QUERY]])
        given.append(ratings[order[:-QUERY]])
        asked.append(films[order[-QUERY:]])
        answers.append(ratings[order[-QUERY:]])
    profiles = data.histories(data.user_ids.indices(able), profiles=True).profiles
    told = Histories.of(support, data.n_items)
    told = replace(told, ratings=np.concatenate(given).astype(np.float32), profiles=profiles)
    return told, np.array(asked), np.array(answers)


class Median:
    """The floor's expectations as steps of the scale."""

    def __init__(self, model, data, seed: int = 0):
        from recloop.strategies.adaptive.cuts import Cuts

        ratings = data.events.select("user", "item", "value").partition_by("user", as_dict=True)
        chosen = np.random.default_rng(seed).permutation(data.n_users)[: data.n_users // 10]
        own = {
            data.user_ids[user]: (
                np.array([data.item_ids[item] for item in ratings[(user,)]["item"]]),
                ratings[(user,)]["value"].to_numpy().astype(float),
            )
            for user in chosen.tolist()
            if (user,) in ratings
        }
        told, asked, answers = episodes(data, own, seed)
        self.model = model
        self.cuts = Cuts.of(model.predict(told, asked).ravel(), answers.ravel(), np.arange(1.0, 6.0))

    def predict(self, histories, items):
        return self.cuts.median(self.model.predict(histories, items))


def one_by_one(strategy, histories) -> float:
    """Milliseconds of CPU to adapt a single user, the median of 200."""
    import time

    spent = []
    for row in range(min(200, len(histories))):
        start = time.process_time()
        strategy.adapt(histories.block(row, row + 1))
        spent.append(1e3 * (time.process_time() - start))
    return float(np.median(spent))


def main() -> None:
    arguments = options(__doc__, draws={"type": int, "default": 5, "help": "random queries of each user"})
    folder = data_folder() / "ml-1m"
    from recloop.strategies import make

    cold = states(folder)
    data = old(folder, cold)
    judged = {name: [episodes(data, state, seed) for seed in range(arguments.draws)] for name, state in cold.items()}

    def errors(strategy):
        return {
            f"mae, {name}": np.mean(
                [np.abs(strategy.predict(told, asked) - answers).mean(axis=1) for told, asked, answers in draws], axis=0
            )
            for name, draws in judged.items()
        }

    board = Board("Cold users, ML-1M", goal=GOAL, floor="bias", published=PUBLISHED)
    for name, settings in {"bias": {"rating_neighbours": 0}, "item-knn": {}}.items():
        with Meter() as meter:
            strategy = make("item-knn", **settings).fit(data)
        board.add(name, errors(strategy), meter)
        if name == "bias":
            harder = errors(Median(strategy, data))
            board.add("bias, median", harder)
    with Meter() as meter:
        strategy = make("adaptive").fit(data)
    own = errors(strategy)
    beside = {f"{state}, less bias, median": own[f"mae, {state}"] - harder[f"mae, {state}"] for state in STATES}
    board.add("adaptive", own | beside, meter, adapt_ms=one_by_one(strategy, judged["new users"][0][0]))
    strategy.error = "squared"
    board.add("adaptive, mean", errors(strategy))
    board.show(arguments)


if __name__ == "__main__":
    main()
