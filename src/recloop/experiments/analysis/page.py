"""An analysis as HTML: a piece for a notebook, and a whole page that loads nothing."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from recloop.charts import style
from recloop.experiments.analysis.pictures import Picture, cumulative, forest, traffic
from recloop.experiments.analysis.tables import Table, tables

if TYPE_CHECKING:
    from recloop.experiments.analysis.result import Analysis

CSS = """
.analysis { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
.analysis .sentence { font-size: 1.1em; padding: .7em 1em; }
.analysis .sentence { border-left: 5px solid var(--quiet); background: var(--panel); }
.analysis .ship { border-color: var(--good); } .analysis .roll_back, .analysis .invalid { border-color: var(--bad); }
.analysis .keep_running, .analysis .inconclusive { border-color: var(--warn); }
.analysis table { border-collapse: collapse; font-size: .9em; font-variant-numeric: tabular-nums; }
.analysis th, .analysis td { text-align: left; padding: .3em .6em; border-bottom: 1px solid var(--faint); }
.analysis td { min-width: 6em; } .analysis .number { text-align: right; white-space: nowrap; min-width: 0; }
.analysis .scroll { overflow-x: auto; } .analysis .note { color: var(--soft); font-size: .88em; }
.analysis .pictures { columns: 2 24rem; column-gap: 2.5rem; margin-top: 1.2em; }
.analysis figure { margin: 0 0 1.5em; break-inside: avoid; }
.analysis figcaption { color: var(--soft); font-size: .88em; margin-bottom: .6em; }
.analysis figcaption b { color: var(--ink); font-size: 1.1em; display: block; }
.analysis .green { color: var(--good); } .analysis .yellow { color: var(--warn); } .analysis .red { color: var(--bad); }
""".strip()


_NUMBER = re.compile(r"[-+<\d]|$")


def fragment(analysis: "Analysis") -> str:
    """The analysis as one element with its style."""
    verdict, shown = analysis.verdict, list(tables(analysis))
    parts = [
        f"<style>{style()}{CSS}</style>",
        f'<p class="sentence {verdict.verdict}">{escape(verdict.sentence)}</p>',
        *(_table(one) for one in shown[:1]),
        _pictures(_over_all(analysis)),
        *(_table(one) for one in shown[1:]),
        _pictures(_by_segment(analysis)),
        "<h3>Checks</h3><ul>",
        *(
            f'<li><b>{escape(one.name)}</b> <span class="{one.level}">{one.level}</span> {escape(one.sentence)}</li>'
            for one in analysis.readout.checks
        ),
        "</ul>",
        *(f'<p class="note">{escape(note)}</p>' for note in analysis.scan.notes),
    ]
    return f'<div class="analysis">{"".join(parts)}</div>'


def page(analysis: "Analysis") -> str:
    """The analysis as a document of its own."""
    title = escape(f"Experiment {analysis.experiment.name}")
    hypothesis = f"<p>Hypothesis: {escape(analysis.plan.hypothesis)}</p>" if analysis.plan.hypothesis else ""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<style>body { margin: 0; background: var(--paper); color: var(--ink); } "
        "main { max-width: 1080px; margin: 0 auto; padding: 1.5rem 1.1rem 4rem; }</style></head>"
        f'<body><main><div class="analysis"><h1>{title}</h1>{hypothesis}</div>{fragment(analysis)}</main>'
        "</body></html>\n"
    )


def _table(table: Table) -> str:
    columns = zip(*table.rows, strict=True)
    kinds = [' class="number"' if all(_NUMBER.match(cell) for cell in column) else "" for column in columns]
    head = _cells("th", kinds, table.head)
    rows = "".join(f"<tr>{_cells('td', kinds, row)}</tr>" for row in table.rows)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h3>{escape(table.title)}</h3><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _cells(tag: str, kinds: Iterable[str], cells: Iterable[str]) -> str:
    return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))


def _over_all(analysis: "Analysis") -> Iterator[tuple[Picture, str, str]]:
    """Picture, title and note of those that show all users and for which there are numbers."""
    readout = analysis.readout
    if any(one.effect and one.effect.bounded for one in readout.comparisons):
        yield forest(analysis), "Relative change of each metric", "Green is better, red is worse, grey is open."
    if readout.lifts:
        title = f"Effect on {readout.metrics[analysis.experiment.primary].title}, day by day"
        yield cumulative(analysis), title, "Of all users so far, with a band that holds at every look."
    if analysis.scan.sums.days:
        yield traffic(analysis), "Users per day", "By the day of their first exposure."


def _by_segment(analysis: "Analysis") -> Iterator[tuple[Picture, str, str]]:
    """The same of those that show segments."""
    readout = analysis.readout
    shown = {one.column for one in readout.segments.effects if one.effect and one.effect.bounded}
    title = readout.metrics[analysis.experiment.primary].title
    for column in analysis.plan.segments:
        if column in shown:
            yield forest(analysis, segment=column), f"Relative change of {title} by {column}", ""


def _pictures(found: Iterable[tuple[Picture, str, str]]) -> str:
    figures = [
        f"<figure><figcaption><b>{escape(title)}</b>{escape(note)}</figcaption>{svg}</figure>"
        for svg, title, note in found
    ]
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""
