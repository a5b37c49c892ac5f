"""A shop whose users rate by taste, and whose items say in their attributes what they are."""

import numpy as np
import polars as pl

from recloop.data.dataset import Dataset

KINDS = ("crime", "comedy", "space", "war", "love")


def rated_shop(
    seed: int = 0, users: int = 200, items: int = 60, each: int = 20, *, stars: bool = True, prefix: str = ""
) -> Dataset:
    """Users with a taste per kind and age, items with a level per studio; the same world whatever the seed."""
    world = np.random.default_rng(99)
    tastes = world.normal(0, 0.9, (2, len(KINDS)))  # what the young and the old like
    studios = world.normal(0, 0.6, 6)
    rng = np.random.default_rng(seed)
    kind, studio, age = rng.integers(len(KINDS), size=items), rng.integers(6, size=items), rng.integers(2, size=users)
    own = tastes[age] + rng.normal(0, 0.7, (users, len(KINDS))) + rng.normal(0, 0.5, (users, 1))
    level = 3.3 + studios[studio] + rng.normal(0, 0.2, items)
    answers = level + own[:, kind] + rng.normal(0, 0.5, (users, items))
    answers = np.clip(np.round(answers), 1, 5) if stars else answers
    chosen = np.argsort(rng.random((users, items)), axis=1)[:, :each]
    rows = np.repeat(np.arange(users), each)
    events = pl.DataFrame(
        {
            "user": [f"{prefix}u{row:04}" for row in rows],
            "item": [f"{prefix}i{item:04}" for item in chosen.ravel()],
            "kind": "rating",
            "value": answers[rows, chosen.ravel()],
        }
    )
    catalogue = pl.DataFrame(
        {
            "item": [f"{prefix}i{item:04}" for item in range(items)],
            "category": [KINDS[place] for place in kind],
            "studio": [f"studio {place}" for place in studio],
        }
    )
    people = pl.DataFrame(
        {"user": [f"{prefix}u{row:04}" for row in range(users)], "age": np.array(["young", "old"])[age]}
    )
    return Dataset.of(events, catalogue, people)
