"""How well ratings are foretold: RMSE and MAE of item-knn against the model of biases alone, on MovieLens.

    python benchmarks/ratings.py [--data ml-100k|ml-1m|both]

MovieLens-100K has five folds of its makers, u1 to u5; of MovieLens-1M a random tenth is held out. "Biases" is what
remains without neighbours: what the item usually gets plus how the user leans. Both are learned from the training part
alone; the constants of the model were chosen on a part of the training part of u1. CPU seconds are of one thread or more,
as NumPy likes.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import polars as pl

FLOORS = {"u1": 0.957, "ml-1m": 0.909}  # RMSE of a bias model, measured apart on the same files
PUBLISHED = {"u1": 0.8889, "ml-1m": 0.8227}  # GLocal-K (Han et al. 2021), a trained network


def folds(data: Path):
    """Name, training and test ratings of each fold of MovieLens-100K."""
    columns = ["user", "item", "value", "time"]
    for number in range(1, 6):
        yield (
            f"u{number}",
            *(
                pl.read_csv(
                    data / f"ml-100k/raw/u{number}.{part}", separator="\t", has_header=False, new_columns=columns
                )
                for part in ("base", "test")
            ),
        )


def tenth(data: Path):
    """MovieLens-1M, a random tenth of it held out."""
    frame = pl.read_parquet(data / "ml-1m/ratings.parquet").select("user", "item", value="rating")
    held = np.random.default_rng(0).random(len(frame)) < 0.1
    yield "ml-1m", frame.filter(pl.Series(~held)), frame.filter(pl.Series(held))


def errors(train: pl.DataFrame, test: pl.DataFrame, neighbours: int) -> tuple[float, float, float]:
    """RMSE, MAE and CPU seconds of learning and foretelling."""
    from recloop.data.dataset import Dataset
    from recloop.strategies.item_knn import ItemKNN

    everybody = pl.concat([train, test]).select(pl.col("user", "item").cast(pl.String))
    data = Dataset.of(train.with_columns(kind=pl.lit("rating")), everybody.select("item"), everybody.select("user"))
    test = test.with_columns(column=pl.int_range(pl.len()).over("user"))
    users, items = (
        ids.indices(test[name].cast(pl.String)) for ids, name in ((data.user_ids, "user"), (data.item_ids, "item"))
    )
    asked = np.full((data.n_users, test["column"].max() + 1), -1, dtype=np.int32)
    asked[users, test["column"]] = items
    start = time.process_time()
    predicted = ItemKNN(rating_neighbours=neighbours).fit(data).predict(data.histories(), asked)
    seconds = time.process_time() - start
    error = predicted[users, test["column"]] - test["value"].to_numpy()
    return float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error))), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("ml-100k", "ml-1m", "both"), default="both", help="which set")
    options = parser.parse_args()
    data = Path(os.environ.get("RECLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")).resolve()
    if not data.is_dir():
        print(f"not measured: no real data at {data}; set RECLOOP_TEST_DATA")
        return
    from recloop.strategies.item_knn import ItemKNN

    print(f"{'':8}{'RMSE':>8}{'MAE':>8}{'biases':>8}{'CPU s':>8}   known bias model; published by a trained network")
    parts = [*(folds(data) if options.data != "ml-1m" else ()), *(tenth(data) if options.data != "ml-100k" else ())]
    kept = []
    for name, train, test in parts:
        rmse, mae, seconds = errors(train, test, ItemKNN().rating_neighbours)
        alone = errors(train, test, 0)[0]
        known = f"   {FLOORS[name]:.3f}; {PUBLISHED[name]:.4f}" if name in FLOORS else ""
        print(f"{name:8}{rmse:8.4f}{mae:8.4f}{alone:8.4f}{seconds:8.2f}{known}")
        if name.startswith("u"):
            kept.append((rmse, mae, alone))
    if kept:
        print("{:8}{:8.4f}{:8.4f}{:8.4f}".format("mean u", *np.mean(kept, axis=0)))


if __name__ == "__main__":
    main()
