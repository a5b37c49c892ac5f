"""What an analysis found as tables of text: printed, written as Markdown, and put on a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recloop.experiments.guardrails import MADE
from recloop.experiments.words import change, lift, loss, percent, probability
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Effect

if TYPE_CHECKING:
    from recloop.experiments.analysis.result import Analysis


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; the first column is to the left, all others to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        r"""As Markdown.

        >>> print(Table("", ("a", "b"), (("x|y", "1"),)).markdown())
        | a | b |
        |---|---:|
        | x\|y | 1 |
        """
        lines = [self.head, ("---", *["---:"] * (len(self.head) - 1))]
        lines += [tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows]
        ruled = [f"| {' | '.join(line)} |" if place != 1 else f"|{'|'.join(line)}|" for place, line in enumerate(lines)]
        return "\n".join(ruled)


def tables(analysis: "Analysis") -> Iterator[Table]:
    """All that have rows: effects, what they would be unadjusted, guardrails, segments."""
    if analysis.readout.hidden:
        return
    for table in (_effects(analysis), _plain(analysis), _guardrails(analysis), _segments(analysis)):
        if table.rows:
            yield table


def interval(metric: OutcomeMetric, effect: Effect) -> str:
    """An interval as short as a table needs it: relative where that has bounds, else in the metric's unit."""
    if effect.bounded:
        return f"{percent(effect.relative_low)} to {percent(effect.relative_high)}"
    return f"{change(metric, effect.low)} to {change(metric, effect.high)}"


def _point(metric: OutcomeMetric, effect: Effect) -> str:
    return percent(effect.relative) if effect.bounded else change(metric, effect.estimate)


def _effects(analysis: "Analysis") -> Table:
    readout, level = analysis.readout, f"{1 - analysis.experiment.alpha:.0%}"
    several = len(analysis.experiment.pairs) > 1
    rows = []
    for one in readout.comparisons:
        metric = readout.metrics[one.metric]
        name = f"{metric.title} *" if one.metric == analysis.experiment.primary else metric.title
        who = (f"{one.treatment} against {one.control}",) if several else ()
        if one.effect is None:
            rows.append((name, *who, "", "", "", "", one.reason))
            continue
        p = one.p_adjusted if one.p_adjusted <= 1 else one.effect.p_value
        values = (metric.say(one.effect.control), metric.say(one.effect.treatment))
        said = probability(p).removeprefix("p ").removeprefix("= ")
        rows.append((name, *who, *values, _point(metric, one.effect), interval(metric, one.effect), said))
    first = analysis.experiment.pairs[0] if analysis.experiment.pairs else ("treatment", "control")
    arms = ("control", "treatment") if several else (first[1], first[0])
    how = MADE[readout.basis]
    return Table(
        "Effects",
        ("metric", *(("variants",) if several else ()), *arms, "change", f"{level} interval", "p-value"),
        tuple(rows),
        f"* decides; its p-values are adjusted by Holm. Intervals are {how}.",
    )


def _plain(analysis: "Analysis") -> Table:
    rows = []
    for one in analysis.details:
        metric = analysis.readout.metrics[one.metric]
        pair = f"{metric.title}, {one.treatment} against {one.control}"
        if one.plain is not None and one.variance_reduction is not None:
            gain = percent(-one.variance_reduction)
            rows.append((pair, "without covariates", lift(metric, one.plain), f"variance {gain} with them"))
        if one.uncapped is not None and one.cap is not None:
            cap = f"more than {one.cap:,.6g} counts as that"
            rows.append((pair, "without covariates and cap", lift(metric, one.uncapped), cap))
    return Table("Without adjustment", ("metric", "how", "change", "what was adjusted"), tuple(rows))


def _guardrails(analysis: "Analysis") -> Table:
    rows = []
    for one in analysis.readout.guardrails:
        metric = analysis.readout.metrics[one.metric]
        found = interval(metric, one.effect) if one.effect else one.reason
        limit = f"at most {loss(metric, one.margin, one.scale)} worse"
        rows.append((metric.title, f"{one.treatment} against {one.control}", limit, found, one.status))
    return Table("Guardrails", ("metric", "variants", "limit", "interval", "status"), tuple(rows))


def _segments(analysis: "Analysis") -> Table:
    rows = []
    for one in analysis.readout.segments.effects:
        metric = analysis.readout.metrics[one.metric]
        who = f"{one.column} = {one.value}"
        if one.effect is None:
            rows.append((who, metric.title, one.treatment, f"{one.users:,}", "", one.reason, ""))
            continue
        apart = probability(one.p_adjusted).removeprefix("p ").removeprefix("= ") if one.p_adjusted <= 1 else ""
        found = (_point(metric, one.effect), interval(metric, one.effect), apart)
        rows.append((who, metric.title, one.treatment, f"{one.users:,}", *found))
    return Table(
        "Segments",
        ("segment", "metric", "variant", "users", "change", "interval", "p-value against the rest"),
        tuple(rows),
        "The p-value is that of an effect that differs from the one on all other users, adjusted by "
        "Benjamini-Hochberg. Segments explore; no rule decides on them.",
    )


def checks(analysis: "Analysis") -> Mapping[str, str]:
    """Name and level of each check → its sentence, worst first."""
    return {f"{one.name} ({one.level})": one.sentence for one in analysis.readout.checks}
