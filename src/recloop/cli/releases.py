import getpass
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option


@click.group()
def releases() -> None:
    """List releases, and make one the active one."""


@releases.command("list", epilog="Example: recloop releases list --store recloop.db")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """List the releases that the store knows, oldest first."""
    with existing_store(store) as opened:
        records = opened.releases.all()
    if as_json:
        answer([record._asdict() for record in records])
        return
    if not records:
        out.print("No release yet. Make one: recloop run, then recloop releases promote runs/…/release")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "release", "made", "folder"):
        table.add_column(column)
    for record in records:
        when = datetime.fromtimestamp(record.created, tz=UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row("[green]active[/]" if record.active else "", record.name, when, record.path)
    out.print(table)


@releases.command(epilog="Example: recloop releases promote runs/3f2a/release")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Go past the release's [gate]; needs --reason.")
@click.option("--reason", default="", help="Why; written into the audit log.")
@store_option
@json_option
def promote(folder: Path, force: bool, reason: str, store: str, as_json: bool) -> None:
    """Check the release in FOLDER and make it the active one. A running service answers from it within a second."""
    from recloop.app.promotion import promote_checked
    from recloop.store import Store

    actor = f"recloop releases promote ({getpass.getuser()})"
    with Store(store) as opened:
        record = promote_checked(opened, folder, time.time(), actor=actor, force=force, reason=reason)
    if as_json:
        answer(record._asdict())
        return
    out.print(f"[green]active[/] {record.name} ({record.path})")


@click.command(epilog="Example: recloop rollback --store recloop.db")
@store_option
@json_option
def rollback(store: str, as_json: bool) -> None:
    """Make the release before the active one active again. A running service answers from it within a second."""
    from recloop.loop.promote import rollback as roll_back

    with existing_store(store) as opened:
        record = roll_back(opened, actor=f"recloop rollback ({getpass.getuser()})")
    if as_json:
        answer(record._asdict())
        return
    out.print(f"[green]active[/] {record.name} ({record.path})")
