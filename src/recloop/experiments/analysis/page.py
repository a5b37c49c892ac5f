"""An analysis as HTML: a piece for a notebook, and a whole page that loads nothing."""

from html import escape
from typing import TYPE_CHECKING

from recloop.charts import style
from recloop.experiments.analysis.pictures import Picture, cumulative, forest, traffic
from recloop.experiments.analysis.tables import Table, checks, tables

if TYPE_CHECKING:
    from recloop.experiments.analysis.result import Analysis

CSS = """
.analysis { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
.analysis .sentence { font-size: 1.1em; padding: .7em 1em; }
.analysis .sentence { border-left: 5px solid var(--quiet); background: var(--panel); }
.analysis .ship { border-color: var(--good); } .analysis .roll_back, .analysis .invalid { border-color: var(--bad); }
.analysis .keep_running, .analysis .inconclusive { border-color: var(--warn); }
.analysis table { border-collapse: collapse; font-size: .9em; font-variant-numeric: tabular-nums; }
.analysis th, .analysis td { text-align: right; padding: .3em .6em; border-bottom: 1px solid var(--faint); }
.analysis th:first-child, .analysis td:first-child { text-align: left; }
.analysis .scroll { overflow-x: auto; } .analysis .note { color: var(--soft); font-size: .88em; }
.analysis .pictures { display: grid; gap: 1rem; }
.analysis .pictures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }
.analysis figure { margin: .5em 0; } .analysis figcaption { color: var(--soft); font-size: .88em; }
""".strip()


def fragment(analysis: "Analysis") -> str:
    """The analysis as one element with its style."""
    verdict = analysis.verdict
    parts = [
        f"<style>{style()}{CSS}</style>",
        f'<p class="sentence {verdict.verdict}">{escape(verdict.sentence)}</p>',
        *(_table(one) for one in tables(analysis)),
        _pictures(analysis),
        "<h3>Checks</h3><ul>",
        *(f"<li><b>{escape(name)}</b> {escape(sentence)}</li>" for name, sentence in checks(analysis).items()),
        "</ul>",
        *(f'<p class="note">{escape(note)}</p>' for note in analysis.scan.notes),
    ]
    return f'<div class="analysis">{"".join(parts)}</div>'


def page(analysis: "Analysis") -> str:
    """The analysis as a document of its own."""
    title = escape(f"Experiment {analysis.experiment.name}")
    hypothesis = f"<p>{escape(analysis.plan.hypothesis)}</p>" if analysis.plan.hypothesis else ""
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
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h3>{escape(table.title)}</h3><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _pictures(analysis: "Analysis") -> str:
    """Those for which there are numbers."""
    readout = analysis.readout
    found: list[tuple[Picture, str]] = []
    if any(one.effect and one.effect.bounded for one in readout.comparisons):
        found.append((forest(analysis), "Relative change of each metric. Green is better, red is worse, grey is open."))
    if readout.lifts:
        said = "The effect on the metric that decides, at the end of each day, with a band that holds at every look."
        found.append((cumulative(analysis), said))
    if analysis.scan.sums.days:
        found.append((traffic(analysis), "Users by the day of their first exposure."))
    shown = {one.column for one in readout.segments.effects if one.effect and one.effect.bounded}
    split = [column for column in analysis.plan.segments if column in shown]
    found += [(forest(analysis, segment=column), f"The metric that decides, by {column}.") for column in split]
    figures = (f"<figure>{svg}<figcaption>{escape(said)}</figcaption></figure>" for svg, said in found)
    return f'<div class="pictures">{"".join(figures)}</div>' if found else ""
