"""Whether the numbers of an experiment may be read at all."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from recloop.errors import DataError
from recloop.experiments.definition import Experiment
from recloop.stats import SRM, srm

UNITS = {"session": "sessions", "request": "slates"}  # column of the user table that counts them
CROSSOVER_LIMIT = 0.01  # share of users seen in two variants above which results are hidden


@dataclass(frozen=True, slots=True)
class Check:
    """One finding on validity: ``red`` hides every result."""

    name: str
    level: Literal["green", "yellow", "red"]
    sentence: str


def require_users(table: pl.DataFrame) -> None:
    """Raises DataError where the table is not one row per (variant, user)."""
    for column in ("variant", "user"):
        if column not in table.columns:
            raise DataError(
                f"the user table has no column '{column}'", advice="make it with metrics.outcomes.user_table"
            )
    empty = table.select(pl.col("variant", "user").is_null().any()).row(0)
    if any(empty):
        raise DataError("the user table has rows without variant or user", advice="leave them out")
    twice = table.height - table.select("variant", "user").n_unique()
    if twice:
        raise DataError(
            f"{twice:,} rows of the user table repeat a (variant, user)",
            allowed="one row per user, since slates of one user are not independent",
            advice="sum up per user first: metrics.outcomes.user_table does",
        )


def without_crossovers(table: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows of users seen in one variant only, and how many users were seen in several."""
    single = pl.len().over("user") == 1
    kept = table.filter(single)
    return kept, table["user"].n_unique() - kept.height


def traffic(experiment: Experiment, table: pl.DataFrame) -> SRM:
    """Units per variant against the planned weights; a user of several variants counts where it was seen first."""
    if (counted := UNITS.get(experiment.unit)) and counted in table.columns:
        sums = dict(table.group_by("variant").agg(pl.col(counted).sum()).iter_rows())
        counts = {**dict.fromkeys(experiment.variants, 0), **sums}
        return srm(counts, experiment.weights, unit=f"{experiment.unit}s")
    ordered = table.sort("first", "variant") if "first" in table.columns else table
    counts = dict(ordered.unique("user", keep="first", maintain_order=True)["variant"].value_counts().iter_rows())
    return srm({**dict.fromkeys(experiment.variants, 0), **counts}, experiment.weights)


def checks(table: pl.DataFrame, crossovers: int, split: SRM) -> tuple[Check, ...]:
    """Every check on validity, worst first."""
    users = max(table["user"].n_unique(), 1)
    found = [Check("traffic", "red" if split.red else "green", split.sentence)]
    if not crossovers:
        found.append(Check("crossover", "green", "No user was seen in two variants."))
    else:
        red = crossovers / users > CROSSOVER_LIMIT
        found.append(
            Check(
                "crossover",
                "red" if red else "yellow",
                f"{crossovers:,} of {users:,} users ({crossovers / users:.2%}) were seen in two variants "
                f"and are left out{'; the limit is ' + format(CROSSOVER_LIMIT, '.0%') if red else ''}.",
            )
        )
    order = {"red": 0, "yellow": 1, "green": 2}
    return tuple(sorted(found, key=lambda one: order[one.level]))
