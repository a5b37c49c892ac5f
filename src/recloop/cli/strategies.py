import click
from rich.table import Table

from recloop.cli.console import answer, json_option, out


@click.command(epilog="Example: recloop strategies --json")
@click.argument("name", required=False)
@json_option
def strategies(name: str | None, as_json: bool) -> None:
    """List the strategies with their settings, built-in ones and those of other packages.

    With NAME, only that one.
    """
    from recloop.strategies import available, make

    chosen = {name: type(make(name))} if name else available()
    rows = {
        key: {
            "summary": kind.summary,
            "needs_text": kind.needs_text,
            "settings": {s.name: {"default": s.default, **s.metadata} for s in kind.settings()},
        }
        for key, kind in chosen.items()
    }
    if as_json:
        answer(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("strategy", "setting", "default", "what it does"):
        table.add_column(column)
    for key, kind in chosen.items():
        table.add_row(f"[bold cyan]{key}[/]", "", "", f"[bold]{kind.summary}[/]")
        for entry in kind.settings():
            table.add_row("", entry.name, str(entry.default), entry.metadata["doc"])
    out.print(table)
