import getpass

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option


@click.group()
def keys() -> None:
    """Make, list and revoke the API keys of the service."""


@keys.command(epilog="Example: recloop keys create 'web shop' --scope recommend --scope events")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What the key opens; may be given again.")
@store_option
@json_option
def create(name: str, scopes: tuple[str, ...], store: str, as_json: bool) -> None:
    """Make a key for NAME. It is shown once and kept only as a hash."""
    from recloop.store import Store

    with Store(store) as opened:
        token = opened.keys.create(name, scopes, actor=f"recloop keys create ({getpass.getuser()})")
    if as_json:
        answer({"name": name, "scopes": list(scopes), "token": token})
        return
    out.print(token, markup=False)
    out.print("[dim]Shown once. Send it as: Authorization: Bearer …[/]")


@keys.command("list", epilog="Example: recloop keys list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """List the keys, without their secrets."""
    with existing_store(store) as opened:
        records = opened.keys.all()
    if as_json:
        answer([record._asdict() | {"scopes": sorted(record.scopes)} for record in records])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "name", "scopes", "state"):
        table.add_column(column)
    for record in records:
        state = "[red]revoked[/]" if record.revoked else "[green]open[/]"
        table.add_row(record.id, record.name, " ".join(sorted(record.scopes)), state)
    out.print(table)


@keys.command(epilog="Example: recloop keys revoke 1f2e3d4c5b6a")
@click.argument("key")
@store_option
@json_option
def revoke(key: str, store: str, as_json: bool) -> None:
    """Revoke the key with the id KEY. It opens nothing from now on."""
    with existing_store(store) as opened:
        opened.keys.revoke(key, actor=f"recloop keys revoke ({getpass.getuser()})")
    if as_json:
        answer({"revoked": key})
        return
    out.print(f"revoked {key}")
