"""Cells of the data as the plan names them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import nearest
from recloop.experiments.analysis.findings import Findings
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.source import Row
from recloop.experiments.analysis.sums import Cell
from recloop.experiments.words import number_of

NONE = "(none)"


def label(value: Any) -> str:
    """A value of a column as the plan and people write it.

    >>> label(True), label(1.0), label(None), label("new")
    ('true', '1', '(none)', 'new')
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def known(
    plan: AnalysisPlan, keys: Sequence[str], rows: Sequence[Row], n: NDArray[np.int64], findings: Findings
) -> tuple[list[Cell], list[int], int]:
    """The cells of variants of the plan with their rows, and how many users were seen in several variants."""
    cells: list[Cell] = []
    places: list[int] = []
    crossovers, unnamed = 0, 0
    strangers: dict[str, int] = {}
    for place, row in enumerate(rows):
        found = dict(zip(keys, row, strict=True))
        users = int(n[place])
        value = label(found["variant"])
        if found.get("several"):
            crossovers += users
        elif found["variant"] is None:
            unnamed += users
        elif value not in plan.values:
            strangers[value] = strangers.get(value, 0) + users
        else:
            day = found.get("day")
            segments = tuple(label(found[f"s{i}"]) for i in range(len(plan.segments)))
            cells.append(Cell(plan.values[value], None if day is None else int(day), segments))
            places.append(place)
    if crossovers:
        tell_crossovers(crossovers, findings)
    if unnamed:
        findings.add(
            "no variant", unnamed, f"no variant is given for {number_of('user', unnamed)}", "they are left out"
        )
    if strangers:
        most = sorted(strangers, key=lambda name: (-strangers[name], name))
        listed = ", ".join(f"'{name}' ({strangers[name]:,})" for name in most[:5]) + (", …" if len(most) > 5 else "")
        total = sum(strangers.values())
        findings.add(
            "unknown variant",
            total,
            f"the plan does not name the variant of {number_of('user', total)}: {listed}",
            "they are left out",
            advice=nearest(most[0], plan.values),
        )
    present = {cell.variant for cell in cells}
    for name, arm in plan.variants.items():
        if arm.weight > 0 and name not in present:
            value = arm.text or name
            findings.add(
                "empty variant",
                0,
                f"variant '{name}' has no users: no row holds '{value}'",
                "it is compared with nothing",
                advice=nearest(value, strangers) if strangers else "",
            )
    return cells, places, crossovers


def tell_crossovers(users: int, findings: Findings) -> None:
    """Users who saw more than one variant have no variant that their outcome belongs to."""
    findings.add(
        "crossover", users, f"more than one variant was seen by {number_of('user', users)}", "they are left out"
    )
