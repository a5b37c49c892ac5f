import getpass
import sys

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option
from recloop.errors import ArtifactError


@click.group()
def archive() -> None:
    """Move closed days of the log to Parquet files, and look after these."""


@archive.command(epilog="Example: recloop archive run --hot-days 14 --keep-days 730")
@click.option("--hot-days", default=7, show_default=True, help="Full days that stay in the store.")
@click.option("--keep-days", type=int, help="Delete archived days that are older than this; without it none.")
@click.option("--remember-days", default=30, show_default=True,
              help="Days after the move in which the same id is still refused.")  # fmt: skip
@store_option
@json_option
def run(hot_days: int, keep_days: int | None, remember_days: int, store: str, as_json: bool) -> None:
    """Move closed days of events, decisions and feedback to files by date. A service may run meanwhile."""
    actor = f"recloop archive run ({getpass.getuser()})"
    with existing_store(store) as opened:
        if keep_days is not None:
            opened.archive.check_days(hot_days, keep_days)
        moved = opened.archive.run(hot_days=hot_days, remember_days=remember_days, actor=actor)
        gone = [] if keep_days is None else opened.archive.drop(keep_days, actor=actor)
        where = str(opened.archive.folder)
    dropped = {log: sum(part.rows for part in gone if part.log == log) for log in moved}
    if as_json:
        answer({"moved": moved, "dropped": dropped, "folder": where})
        return
    for word, rows in (("moved", moved), ("deleted", dropped)):
        if any(rows.values()):
            out.print(f"{word} " + ", ".join(f"{number:,} {log}" for log, number in rows.items() if number))
    if not any((*moved.values(), *dropped.values())):
        out.print("Nothing to move: no closed day is older than that.")


@archive.command(epilog="Example: recloop archive status")
@store_option
@json_option
def status(store: str, as_json: bool) -> None:
    """Say how much of each log is in the store, and how much in files."""
    with existing_store(store) as opened:
        found, strays = opened.archive.status(), opened.archive.strays()
        where = str(opened.archive.folder)
    if as_json:
        answer({"folder": where, "logs": [one._asdict() for one in found], "strays": strays})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("log", "in the store", "archived", "files", "MB", "from", "to"):
        table.add_column(column, justify="left" if column in {"log", "from", "to"} else "right")
    for one in found:
        size = f"{one.bytes / 1e6:.1f}"
        table.add_row(one.log, f"{one.hot:,}", f"{one.archived:,}", f"{one.parts:,}", size, one.first, one.last)
    out.print(table)
    if strays:
        out.print(f"{len(strays)} files that no manifest names; the next run removes them")


@archive.command(epilog="Example: recloop archive verify")
@store_option
@json_option
def verify(store: str, as_json: bool) -> None:
    """Compare every archived file with the manifest. Exit code 8 where one is missing or damaged."""
    with existing_store(store) as opened:
        wrong, files = opened.archive.verify(), len(opened.archive.parts())
    if as_json:
        answer({"files": files, "wrong": wrong})
        if wrong:
            sys.exit(ArtifactError.exit_code)
        return
    if wrong:
        for sentence in wrong[:-1]:
            out.print(sentence, markup=False)
        raise ArtifactError(wrong[-1])
    out.print(f"[green]whole[/] {files} files")
