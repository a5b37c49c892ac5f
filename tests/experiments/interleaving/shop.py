"""Slates of a test and the clicks of users whose taste is known."""

import numpy as np
import polars as pl

from recloop.experiments.interleaving import Interleaving, interleave

EXAMINED = 1 / np.arange(1, 11) ** 0.7


def run(
    test: Interleaving, rankings: list[list[str]], taste: dict[str, float], users: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decisions and events: a user clicks an item that is examined with the probability of its taste."""
    decisions, events = [], []
    for user in range(users):
        for visit in range(int(1 + rng.poisson(1.5))):
            key, at = f"d{user}.{visit}", float(user * 10 + visit)
            made = interleave(test, rankings, 4, key)
            decisions.append((key, f"u{user}", at, list(made.items), made.ballot()))
            for place, item in enumerate(made.items):
                if rng.random() < EXAMINED[place] * taste.get(item, 0.0):
                    events.append((f"u{user}", item, "click", None, at + 1, key))
    return (
        pl.DataFrame(decisions, schema=["id", "user", "time", "items", "arm"], orient="row"),
        pl.DataFrame(
            events,
            schema={"user": pl.String, "item": pl.String, "kind": pl.String, "value": pl.Float64,
                    "time": pl.Float64, "decision": pl.String},
            orient="row",
        ),
    )  # fmt: skip
