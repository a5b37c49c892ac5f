"""What users went through, as charts."""

import math
from typing import TYPE_CHECKING

from recloop.charts import Cell, Interval, intervals, matrix_chart, pairs
from recloop.charts.scale import as_share
from recloop.errors import MissingError, nearest
from recloop.experiments.analysis.pictures import Picture
from recloop.experiments.words import change, percent

if TYPE_CHECKING:
    from recloop.experience.result import UserExperience

TONES = {"better": "good", "worse": "bad", "open": "warn", "missing": "quiet"}
SIGNS = {"better": "▲", "worse": "▼", "open": "≈", "missing": "–"}


def matrix(found: "UserExperience") -> Picture:
    """The traffic lights: a row per metric that was measured, a column per control."""
    measured = [one for one in found.values if not math.isnan(one.value)]
    rows: list[tuple[str, str, list[Cell]]] = []
    for one in measured:
        cells = [Cell(found.metrics[one.metric].say(one.value), "")]
        for control in found.controls:
            assert found.scorecard is not None
            row = found.scorecard.row(one.metric, control)
            moved = ""
            if effect := row.effect:
                own = found.metrics[one.metric]
                moved = percent(effect.relative) if effect.bounded else change(own, effect.estimate)
            cells.append(Cell(f"{SIGNS[row.light]} {moved}", TONES[row.light]) if moved else Cell("–"))
        rows.append((one.family, one.title, cells))
    columns = [found.treatment, *(f"vs {name}" for name in found.controls)]
    return Picture(matrix_chart(rows, columns, "What users went through, metric by metric"))


def groups(found: "UserExperience", attribute: str, metric: str) -> Picture:
    """A metric in each group of an attribute, with intervals."""
    if found.fairness is None:
        raise MissingError("nothing is known of users", advice="send a profile with the requests")
    row = found.fairness.row(attribute, metric)
    own = found.metrics[metric]
    bars = [
        Interval(
            f"{one.group}\n{one.users:,} users", one.value, one.low, one.high,
            "bad" if one.group == row.worst and row.gap_light == "apart" else "first",
        )
        for one in row.groups
    ]  # fmt: skip
    return Picture(intervals(bars, f"{row.title} by {attribute}", unit=own.unit, form=own.say))


def exposure(found: "UserExperience", column: str = "") -> Picture:
    """Exposure against merit of each kind of items."""
    if not found.providers:
        raise MissingError("nothing is known of the items", advice="name a release or a file of items")
    names = [one.column for one in found.providers]
    if column and column not in names:
        raise MissingError(f"no kinds of items by '{column}'", advice=nearest(column, names))
    kinds = found.providers[names.index(column) if column else 0]
    rows = [
        (
            one.name, one.merit, one.exposure.estimate,
            {"too little": "bad", "too much": "warn", "fair": "quiet"}[one.light],
        )
        for one in kinds.providers[:12]
    ]  # fmt: skip
    return Picture(
        pairs(rows, f"Exposure against merit by {kinds.column}", first="merit", second="exposure", form=as_share)
    )
