from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, json_option, out, plan_argument, progress_for
from recloop.errors import DataError

STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


@click.command(epilog="Example: recloop check recloop.toml --html check.html")
@plan_argument
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write an HTML page here.")
@json_option
def check(plan: Path, page: Path | None, as_json: bool) -> int:
    """Say what is in the data of PLAN and what is wrong with it.

    Counts, time range, gaps, duplicates, unknown ids, values out of range, activity, leakage, bots, texts.
    The exit code is 3 where an error was found, with which a run would not begin.
    """
    from recloop.app.check import check as look
    from recloop.loop.plan import read_plan

    done = look(read_plan(plan), page=page, progress=progress_for(as_json=as_json))
    found = done.check.to_dict()
    code = 0 if done.usable else DataError.exit_code
    if as_json:
        answer(found)
        return code
    out.print(f"[bold]{found['sentence']}[/]")
    for note in found["notes"]:
        out.print(f"[dim]{escape(note)}[/]")
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in found["findings"]:
        style = STYLES[finding["severity"]]
        table.add_row(f"[{style}]{finding['severity']}[/]", finding["topic"], finding["sentence"])
    out.print(table)
    kinds = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "events", "users", "lowest", "median", "highest"):
        kinds.add_column(column, justify="left" if column == "kind" else "right")
    for kind in found["kinds"]:
        values = [kind[name] for name in ("value_low", "value_median", "value_high")]
        kinds.add_row(
            kind["kind"],
            f"{kind['events']:,}",
            f"{kind['users']:,}",
            *("" if value is None else f"{value:g}" for value in values),
        )
    out.print(kinds)
    for label, key in (("events per user", "per_user"), ("events per item", "per_item")):
        quantiles = found[key]["quantiles"]
        out.print(
            f"{label}: half have {quantiles['0.5']:g} or fewer, one in ten more than {quantiles['0.9']:g}, "
            f"at most {quantiles['1']:g}"
        )
    if page:
        out.print(f"page: {page}")
    return code
