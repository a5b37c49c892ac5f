"""What users went through, as a terminal shows it."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from recloop.experiments.words import lift, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from recloop.experience.result import UserExperience

LIGHTS = {"better": ("●", "green"), "worse": ("●", "bold red"), "open": ("○", "yellow"), "missing": ("·", "dim")}
HELD = {"held": "green", "breached": "bold red", "unclear": "yellow", "": ""}
HEALTH = {"green": "green", "yellow": "yellow", "red": "bold red", "missing": "dim"}


def shown(found: "UserExperience") -> "Iterator[RenderableType]":
    """The sentence, the traffic lights by family, groups, kinds of items, the log."""
    if found.simulation:
        yield Text("simulation: made-up users", style="yellow")
    yield Text(found.sentence, style="bold")
    yield _lights(found)
    unsent = [one for one in found.values if one.reason.startswith("not measured")]
    if unsent:
        yield Text(f"not measured: {', '.join(one.title for one in unsent)}", style="dim")
    if found.fairness and found.fairness.attributes:
        yield Text("\nGroups of users", style="bold")
        yield _groups(found)
    for one in found.providers:
        yield Text(f"\nExposure by {one.column}", style="bold")
        yield _exposure(found, one.column)
    yield Text("\nAll slates together", style="bold")
    for row in found.population:
        beside = f", {lift_of(row)} against {row.control}" if row.effect else f" {row.reason}".rstrip()
        if not math.isnan(row.value):
            yield Text(f"  {row.title}: {row.value:.3f} ({row.low:.3f} to {row.high:.3f}){beside}")
    if found.trust:
        yield Text("\nReasons", style="bold")
        yield Text(f"  {found.trust.sentence}")
    yield Text("\nThe log", style="bold")
    for figure in found.health.rows:
        yield Text("  ● ", style=HEALTH[figure.light]) + Text(figure.sentence, style="default")
    for note in found.notes:
        yield Text(f"· {note}", style="dim")


def lift_of(row: object) -> str:
    """The relative change of a measure of all slates together."""
    effect = getattr(row, "effect", None)
    if effect is None:
        return ""
    if effect.bounded:
        return f"{percent(effect.relative)} ({percent(effect.relative_low)} to {percent(effect.relative_high)})"
    return f"{effect.estimate:+.3f} ({effect.low:+.3f} to {effect.high:+.3f})"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place > 0 else "left", overflow="fold")
    return table


def _lights(found: "UserExperience") -> Table:
    table = _table("", found.treatment, *(f"against {name}" for name in found.controls))
    family = ""
    for one in found.values:
        if math.isnan(one.value):
            continue
        if one.family != family:
            family = one.family
            table.add_row(Text(f"\n{family}", style="bold"))
        metric = found.metrics[one.metric]
        cells = [Text(f"  {one.title}"), Text(metric.say(one.value))]
        for control in found.controls:
            assert found.scorecard is not None
            row = found.scorecard.row(one.metric, control)
            sign, style = LIGHTS[row.light]
            cells.append(Text(f"{sign} {lift(metric, row.effect) if row.effect else row.reason}", style=style))
        table.add_row(*cells)
    return table


def _groups(found: "UserExperience") -> Table:
    assert found.fairness is not None
    table = _table("", "group", "users", "value", "change", "")
    for row in found.fairness.rows:
        if not row.groups or row.attribute.count("×"):
            continue
        metric = found.metrics[row.metric]
        table.add_row(Text(f"{row.title} by {row.attribute}", style="bold red" if row.gap_light == "apart" else "bold"))
        for one in row.groups:
            worst = " ▼ worst" if one.group == row.worst and row.gap_light == "apart" else ""
            change = lift(metric, one.lift) if one.lift else ""
            cells = ("", one.group, f"{one.users:,}", metric.say(one.value), change)
            table.add_row(*map(Text, cells), Text(f"{one.held}{worst}", style=HELD[one.held]))
    pairs = [row for row in found.fairness.rows if "×" in row.attribute and row.gap_light == "apart"]
    for row in pairs[:8]:
        table.add_row(Text(row.sentence, style="red"))
    return table


def _exposure(found: "UserExperience", column: str) -> Table:
    kinds = next(one for one in found.providers if one.column == column)
    table = _table("", "items", "exposure", "merit", "ratio", "", "starved")
    for one in kinds.providers[:12]:
        ratio = "–" if math.isnan(one.ratio) else f"{one.ratio:.2f} ({one.ratio_low:.2f} to {one.ratio_high:.2f})"
        style = "red" if one.ratio_high < 1 else "yellow" if one.ratio_low > 1 else ""
        mark = "too little" if one.ratio_high < 1 else "too much" if one.ratio_low > 1 else ""
        cells = (one.name, f"{one.items:,}", f"{one.exposure.estimate:.1%}", f"{one.merit:.1%}", ratio, mark)
        table.add_row(*(Text(cell, style=style) for cell in cells), Text(f"{one.starved:,}"))
    return table
