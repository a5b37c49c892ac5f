"""Small slate tables for tests: everything that is not under test is quiet."""

import numpy as np
import polars as pl

DAY = 86_400.0
START = 20_393 * DAY


def slates(seed: int = 0, n: int = 12_000, users: int = 1_500, days: int = 28, **columns: object) -> pl.DataFrame:
    """Slates of users who differ, with a device and a region; further columns replace those of the same name."""
    rng = np.random.default_rng(seed)
    user = rng.integers(users, size=n)
    frame = pl.DataFrame(
        {
            "decision": [f"d{i}" for i in range(n)],
            "user": [f"u{i}" for i in user],
            "time": START + rng.integers(days, size=n) * DAY + rng.uniform(0, DAY, n),
            "device": np.array(["android", "ios"])[user % 2],
            "region": np.array(["north", "south", "west"])[user % 3],
            "clicked_slates": (rng.random(n) < 0.2).astype(np.int64),
            "latency_sum": rng.gamma(8, 0.01, n),
            "slates": np.ones(n, np.int64),
        }
    )
    return frame.with_columns(**columns) if columns else frame


def day() -> pl.Expr:
    return ((pl.col("time") - START) / DAY).floor()
