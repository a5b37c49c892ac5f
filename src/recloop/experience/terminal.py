"""What users went through, as a terminal shows it."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from recloop.experiments.words import lift, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from recloop.experience.fair import FairnessRow
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
        yield from _groups(found)
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
            said = f"{sign} {lift(metric, row.effect)}" if row.effect else row.reason
            cells.append(Text(said, style=style if row.effect else "dim"))
        table.add_row(*cells)
    return table


def _groups(found: "UserExperience") -> "Iterator[RenderableType]":
    """Groups that stand out, group by group where the attribute is a single one; how many others do not."""
    assert found.fairness is not None
    quiet = 0
    for row in found.fairness.rows:
        breached = any(one.held == "breached" for one in row.groups)
        if not (breached or row.gap_light == "apart" or row.lift_p_adjusted < found.fairness.alpha):
            quiet += bool(row.groups)
            continue
        yield Text(row.sentence, style="yellow")
        if breached or row.lift_p_adjusted < found.fairness.alpha:
            yield Text(row.lift_sentence, style="bold red" if breached else "yellow")
        if "×" not in row.attribute:
            yield _by_group(found, row)
    if not any(row.groups for row in found.fairness.rows):
        yield Text("No group is large enough to be told from the others.", style="dim")
    elif quiet:
        yield Text(f"{quiet} rows of metric and attribute show no gap and no uneven change beyond doubt.", style="dim")


def _by_group(found: "UserExperience", row: "FairnessRow") -> Table:
    table = _table("", "users", "value", "change", "")
    metric = found.metrics[row.metric]
    for one in row.groups:
        change = lift(metric, one.lift) if one.lift else ""
        cells = (f"  {one.group}", f"{one.users:,}", metric.say(one.value), change)
        table.add_row(*map(Text, cells), Text(one.held, style=HELD[one.held]))
    return table


def _exposure(found: "UserExperience", column: str) -> Table:
    kinds = next(one for one in found.providers if one.column == column)
    table = _table("", "items", "exposure", "merit", "ratio", "", "starved")
    for one in kinds.providers[:12]:
        ratio = "–" if math.isnan(one.ratio) else f"{one.ratio:.2f} ({one.ratio_low:.2f} to {one.ratio_high:.2f})"
        style = {"too little": "red", "too much": "yellow", "fair": ""}[one.light]
        cells = (one.name, f"{one.items:,}", f"{one.exposure.estimate:.1%}", f"{one.merit:.1%}", ratio, one.light)
        table.add_row(*(Text(cell, style=style) for cell in cells), Text(f"{one.starved:,}"))
    return table
