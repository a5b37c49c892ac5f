import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, existing_store, framed, json_option, out, progress_for, store_option
from recloop.cli.ux.group import ux

if TYPE_CHECKING:
    from recloop.experience.problems import Problems

COLOURS = {"ship": "green", "no_problem": "green", "keep_running": "yellow", "do_not_ship": "red", "invalid": "red"}
TIMES = 3.0  # relative change from which it is told as a multiple
LIGHTS = {"green": "green", "yellow": "yellow", "red": "bold red"}


@ux.command(epilog="Example: recloop ux problems --experiment front --html problems.html")
@click.option("--experiment", default="", help="Compare the arms of this experiment; time against time without.")
@click.option("--treatment", default="", help="The variant that is judged; the experiment's first treatment.")
@click.option("--control", default="", help="What it is held against; the control that does best.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=28.0, show_default=True,
              help="How far to look back in the store.")  # fmt: skip
@click.option("--slates", type=click.Path(path_type=Path), help="Read this Parquet or CSV file instead of the store.")
@click.option("--comments", type=click.Path(path_type=Path), help="With --slates: id, user, time, text.")
@click.option("--events", type=click.Path(path_type=Path), help="With --slates: user, item, time; for attacks.")
@click.option("--shown", type=click.Path(path_type=Path), help="With --slates: decision and provider, a row per place.")
@click.option("--earlier", type=click.Path(path_type=Path), help="With --slates: slates from before the experiment.")
@click.option("--users", type=click.Path(path_type=Path), help="With a store: user and columns that make slices.")
@click.option("--items", type=click.Path(path_type=Path), help="With a store: item and its provider.")
@click.option("--dimension", "dimensions", multiple=True, help="A column that makes slices; all text columns without.")
@click.option("--metric", "metrics", multiple=True, help="A metric to watch; all that are measured without.")
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.02, show_default=True,
              help="Accepted share of false findings.")  # fmt: skip
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write an HTML report here.")
@click.option("--simulation", is_flag=True, help="The data are made up, and the report says so.")
@store_option
@json_option
def problems(store: str, page: Path | None, as_json: bool, **given: Any) -> None:
    """Find where users were served worse, since when, why, what they say, and what to do about it."""
    from recloop.app.comments import comment_reader
    from recloop.app.problems import Wish, frame, problems_in_files, problems_in_store
    from recloop.experience.problems import Settings
    from recloop.report.problems_page import problems_page

    now = time.time()
    settings = Settings(
        dimensions=given["dimensions"] or None, metrics=given["metrics"] or None, alpha=given["alpha"],
        treatment=given["treatment"] or None if given["slates"] else None,
        control=given["control"] or None if given["slates"] else None,
    )  # fmt: skip
    progress = progress_for(as_json=as_json)
    if given["slates"]:
        files = {name: given[name] for name in ("comments", "events", "shown", "earlier")}
        found = problems_in_files(
            given["slates"],
            settings,
            **files,
            sentiment=comment_reader(),
            simulation=given["simulation"],
            progress=progress,
        )
    else:
        wish = Wish(given["experiment"], given["treatment"], given["control"], given["days"], settings)
        extra = {name: frame(given[name]) if given[name] else None for name in ("users", "items")}
        with existing_store(store) as opened:
            found = problems_in_store(opened, wish, now, **extra, sentiment=comment_reader(), progress=progress)
    if page is not None:
        page.write_text(problems_page(found, now), encoding="utf-8")
    if as_json:
        answer(found.to_dict())
        return
    _show(found)
    if page is not None:
        out.print(f"page: {page}")


def _change(relative: float) -> str:
    return f"{relative:+.0%}" if relative < TIMES else f"× {1 + relative:.0f}"


def _show(found: "Problems") -> None:
    colour = COLOURS[found.verdict]
    said = found.verdict.replace("_", " ") + (" · simulation" if found.simulation else "")
    framed(escape(found.sentence), said, colour)
    if found.findings:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("", "metric", "where", "since", "change", "of all", "cause"):
            table.add_column(name, justify="right" if name in {"change", "of all"} else "left")
        for one in found.findings:
            primary = one.kind == "primary"
            where = " × ".join(f"{key} {value}" for key, value in one.slice.items()) or "everywhere"
            row = ("●" if primary else "  ↳", one.title, where, one.change_day or "", _change(one.effect.relative),
                   f"{one.share:.1%}", one.cause.what if primary else "follows")  # fmt: skip
            table.add_row(*(escape(cell) for cell in row), style="bold" if primary else "dim")
        out.print(table)
    for one in found.primary[1:]:
        out.print(f"[bold]●[/] {escape(one.sentence)}")
    for check in found.health:
        if check.light != "green":
            out.print(f"[{LIGHTS[check.light]}]{check.light}[/] {check.name}: {escape(check.sentence)}")
    for note in found.notes:
        out.print(f"[dim]· {escape(note)}[/]")
    out.print(
        f"[dim]{found.compared}, {found.days[0]} to {found.days[1]}: {found.slates:,} slates, {found.users:,} users, "
        f"{found.slices:,} slices, {found.tests:,} tests; {found.alpha:.0%} false findings accepted.[/]"
    )
