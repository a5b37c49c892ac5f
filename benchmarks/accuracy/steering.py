"""Steering by a sentence: does the slate follow it, and what does it cost?

    python benchmarks/accuracy/steering.py [--strength 0.5] [--json]

MovieLens-1M, leave-last-out, 1,000 users drawn at random, slates of 10 films; genres and years are the truth. Each
sentence is followed twice: by a catalogue that knows genres and years, and by vectors of titles and plots alone, from
which no genre can be read off. ``share`` is the part of the slate that is of the genre (or the decade). ``ndcg@10`` is
over everybody; ``agreeing`` only over users whose next film is what the sentence asks for, the ones whom a sentence that
they meant would help. ``fit_s`` is what the slates cost. Nothing was tuned on these users but the strength, which is what a caller sets.
"""

import os
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from protocol import Board, Meter, data_folder, options

K, USERS = 10, 1000
# sentence → what the catalogue calls it, and whether it is wished for
SENTENCES = {
    "no horror": ("Horror", False),
    "nothing scary": ("Horror", False),
    "less romance": ("Romance", False),
    "something funny": ("Comedy", True),
    "scary": ("Horror", True),
    "more war": ("War", True),
    "cowboys": ("Western", True),
    "cartoons for kids": ("Animation", True),
    "from the nineties": ("1990", True),
    "lighter, no horror, from the nineties": ("1990", True),
}


def main() -> None:
    arguments = options(__doc__, strength={"type": float, "default": 0.5, "help": "of every sentence"})
    folder = data_folder() / "ml-1m"
    from recloop.compose import build, policy_config
    from recloop.compose.facets import Facets
    from recloop.compose.steering import Steerer
    from recloop.data.dataset import Dataset
    from recloop.language import load_encoder, parse_steer, vectors
    from recloop.strategies import make

    order = pl.col("order").cast(pl.Float64).alias("time")
    rated = pl.read_parquet(folder / "ratings.parquet").drop_nulls("order").sort("user", "order")
    rated = rated.select(pl.col("user", "item").cast(pl.String), order)
    last = pl.int_range(pl.len()).over("user") == pl.len().over("user") - 1
    films = pl.read_parquet(folder / "movies_text.parquet").select(
        pl.col("item").cast(pl.String), "title", "year", category="genres", description="plot"
    )
    train = Dataset.of(rated.filter(~last), films)
    held = rated.filter(last).select("user", truth="item")
    users = np.random.default_rng(0).permutation(train.n_users)[:USERS]
    names = pl.DataFrame({"user": [train.user_ids[user] for user in users]})
    truth = train.item_ids.indices(names.join(held, on="user", how="left", maintain_order="left")["truth"])
    histories = train.histories(users)

    with TemporaryDirectory() as cache:
        os.environ["RECLOOP_CACHE"] = cache
        encoder = load_encoder()
        with Meter() as encoding:
            known = Steerer(Facets.of(train.items), vectors(train, encoder), encoder, encoder.fingerprint)
        unnamed = Dataset.of(rated.filter(~last), films.drop("category", "year"))
        plots = Steerer(Facets.of(train.items.select("item")), vectors(unnamed, encoder), encoder, encoder.fingerprint)
    policy = build(
        policy_config({"sources": ["transitions"]}),
        {name: make(name).fit(train) for name in ("transitions", "popular")},
    )

    genres = train.items["category"].fill_null("").to_numpy()
    decade = train.items["year"].cast(pl.String).str.extract(r"(\d{3})\d").fill_null("").to_numpy() + "0"
    board = Board("steering, ML-1M: share of the slate, and accuracy", goal={}, floor="")
    for sentence, (name, wished) in SENTENCES.items():
        of = decade == name if name.isdigit() else np.array([name in genre for genre in genres])
        for how, steerer in {"unsteered": None, "genres and years known": known, "titles and plots": plots}.items():
            with Meter() as meter:
                steering = steerer and steerer.steering([parse_steer(sentence, arguments.strength)] * USERS)
                ranked = policy.choose({}, histories, K, np.random.default_rng(0), steering=steering).rankings.items
            gain = ((ranked == truth[:, None]) / np.log2(np.arange(K) + 2)).sum(axis=1)
            agrees = of[truth] == wished
            values = {
                f"share of {name}": of[ranked].mean(axis=1),
                "ndcg@10": gain,
                "agreeing": np.where(agrees, gain, np.nan),
            }
            board.add(f"{sentence} | {how}", values, meter)
    if not arguments.json:
        print(f"vectors of {train.n_items:,} titles, genres and plots: {encoding.cpu:.0f} CPU s\n")
    board.show(arguments)


if __name__ == "__main__":
    main()
