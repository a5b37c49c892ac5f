"""Who is counted, and as what."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from recloop.experiments.checks import Check, without_crossovers, worst_first
from recloop.experiments.definition import Experiment


@dataclass(frozen=True, slots=True)
class Counted:
    """The users of an experiment.

    Attributes:
        seen: rows of all users but those who got a variant by hand.
        kept: of these, the rows that are read: where users are assigned, those of users of one variant only.
        crossovers: users left out for being seen in several variants.
        notes: what is to be said of it; each takes the place of a check of the same name.
    """

    seen: pl.DataFrame
    kept: pl.DataFrame
    crossovers: int
    notes: tuple[Check, ...]


def counted(experiment: Experiment, table: pl.DataFrame) -> Counted:
    """Who of a user table is counted. Where sessions or requests are assigned, users of several variants are."""
    seen, testers = without_forced(table)
    notes = []
    if testers:
        words = f"{testers:,} users were given a variant by hand and are left out."
        notes.append(Check("forced", "green", words))
    if experiment.unit == "user":
        return Counted(seen, *without_crossovers(seen), tuple(notes))
    several = seen.height - seen["user"].n_unique()
    words = (
        f"Each {experiment.unit} is assigned, so {several:,} users were seen in several variants as planned; "
        "they are counted once, with what their variants have in common."
    )
    return Counted(seen, seen, 0, (*notes, Check("crossover", "green", words)))


def without_forced(table: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows of users who never got a variant by hand, and how many users did; testers are no sample of users.

    >>> table = pl.DataFrame({"variant": ["a", "b", "b"], "user": ["u1", "u1", "u2"], "forced": [0, 1, 0]})
    >>> kept, testers = without_forced(table)
    >>> kept["user"].to_list(), testers
    (['u2'], 1)
    """
    if "forced" not in table.columns:
        return table, 0
    kept = table.filter(pl.col("forced").fill_null(0).sum().over("user") == 0)
    return kept, table["user"].n_unique() - kept["user"].n_unique()


def with_notes(checks: Iterable[Check], notes: Iterable[Check]) -> tuple[Check, ...]:
    """The checks, worst first; a note takes the place of a check of the same name."""
    by_name = {one.name: one for one in (*checks, *notes)}
    return worst_first(by_name.values())
