"""What happens to items and to those who provide them: a provider that is starved, an item that is pushed."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from recloop.data.bursts import Burst, find_bursts
from recloop.errors import DataError
from recloop.experience.problems.clustered import Weighed, weigh_whole
from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.contrast import Contrast
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.scan import Side, Sums, side
from recloop.experience.problems.settings import Settings
from recloop.metrics.online import OutcomeMetric

SMALLEST = 0.3  # relative fall of a provider's exposure that is worth telling
EXPOSURE = Measure(
    OutcomeMetric(
        id="exposure",
        title="exposure",
        formula=r"\frac{\#\text{places given to items of the provider}}{\#\text{places}}",
        unit="share of places",
        needs="which items were shown",
        numerator="places",
        denominator="shown",
        form="percent",
    ),
    "content",
    "a provider is starved",
    "down",
)
ATTACK = Measure(
    OutcomeMetric(
        id="attack",
        title="made-up interactions",
        formula=r"\#\text{new users who gather on an item}",
        unit="users",
        needs="events",
        numerator="users",
        direction="lower",
    ),
    "content",
    "a push attack",
    "up",
)


@dataclass(frozen=True, slots=True)
class Exposed:
    """A provider whose part of the places fell."""

    where: dict[str, str]
    sums: Sums
    tested: Weighed


def exposures(
    coded: Coded, decisions: pl.Series, shown: pl.DataFrame, contrast: Contrast, settings: Settings
) -> list[Exposed]:
    """The test of every provider's part of the places shown, whether it fell.

    Args:
        coded: the rows.
        decisions: (n,) their ids.
        shown: one row per place: ``decision`` and one column that names the provider (brand, author, shop).
        contrast: what is held against what.
        settings: ``values`` is how many providers are looked at, ``events`` how many places each needs.

    Raises:
        DataError: there is no column decision, or not one other.
    """
    names = [name for name in shown.columns if name != "decision"]
    if "decision" not in shown.columns or len(names) != 1:
        raise DataError(
            f"the exposures have the columns {', '.join(shown.columns)}",
            allowed="decision, and one that names the provider; one row per place shown",
        )
    (name,) = names
    places = pl.DataFrame({"decision": decisions}).with_row_index("row")
    rows = shown.select("decision", value=pl.col(name).cast(pl.String)).join(places, on="decision")
    total = np.bincount(rows["row"].to_numpy(), minlength=coded.user.size).astype(np.float64)
    counts = rows["value"].drop_nulls().value_counts(sort=True).head(settings.values)
    found = []
    for value, n in counts.iter_rows():
        if n < 2 * settings.events:
            continue
        y = np.bincount(rows.filter(value=value)["row"].to_numpy(), minlength=coded.user.size).astype(np.float64)
        sums = Sums(EXPOSURE, y, total, relative=True)
        tested = weigh_whole(coded, sums, _whole(coded, y, total), contrast, users=settings.users)
        found.append(Exposed({name: value}, sums, tested))
    return found


def _whole(coded: Coded, y: Floats, x: Floats) -> Side:
    by_cell = [np.bincount(coded.cell, one, coded.cells)[None].astype(np.float64) for one in (y, x)]
    squares = [np.array([(a * b).sum()]) for a, b in ((y, y), (x, y), (x, x))]
    return side(by_cell[0], by_cell[1], squares, relative=True)


def attacks(events: pl.DataFrame, first: float, last: float) -> list[tuple[Burst, str]]:
    """Items on which made-up users gathered, with the day."""
    log = events.select("user", "item", pl.col("time").cast(pl.Float64))
    bursts = [one for one in find_bursts(log).bursts if one.kind == "item" and first <= one.start <= last]
    worst: dict[str, Burst] = {}
    for one in bursts:  # the largest first
        worst.setdefault(str(one.who), one)
    return [(one, datetime.fromtimestamp(one.start, tz=UTC).strftime("%Y-%m-%d")) for one in worst.values()]
