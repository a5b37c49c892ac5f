import getpass
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option

HOUR, DAY = 3_600.0, 86_400.0  # seconds


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke the API keys of the service."""


@keys.command(epilog="Example: recloop keys create 'web shop' --scope recommend --scope events")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What the key opens; may be given again.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="It expires after so many; never by default.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True),
              help="Requests a second that it may send; by default what recloop serve --rate says.")  # fmt: skip
@store_option
@json_option
def create(
    name: str, scopes: tuple[str, ...], days: float | None, rate: float | None, store: str, as_json: bool
) -> None:
    """Make a key for NAME. It is shown once and kept only as a hash."""
    from recloop.store import Store

    with Store(store) as opened:
        lasts = None if days is None else days * DAY
        actor = f"recloop keys create ({getpass.getuser()})"
        token = opened.keys.create(name, scopes, lasts=lasts, rate=rate, actor=actor)
    if as_json:
        answer({"name": name, "scopes": list(scopes), "token": token})
        return
    _show(token)


@keys.command(epilog="Example: recloop keys rotate 1f2e3d4c5b6a --keep 24")
@click.argument("key")
@click.option("--keep", type=click.FloatRange(min=0), default=24.0, show_default=True,
              help="Hours during which the old token still opens.")  # fmt: skip
@store_option
@json_option
def rotate(key: str, keep: float, store: str, as_json: bool) -> None:
    """Make a new token in place of the key with the id KEY, with the same name, scopes, rate and lifetime."""
    with existing_store(store) as opened:
        token = opened.keys.rotate(key, keep=keep * HOUR, actor=f"recloop keys rotate ({getpass.getuser()})")
    if as_json:
        answer({"rotated": key, "token": token})
        return
    _show(token)
    out.print(f"The old token of {key} opens for {keep:g} hours more.")


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
    for column in ("id", "name", "scopes", "state", "expires", "last used", "rate"):
        table.add_column(column)
    for record in records:
        state = record.state(time.time())
        table.add_row(
            record.id,
            record.name,
            " ".join(sorted(record.scopes)),
            f"[{'green' if state == 'open' else 'red'}]{state}[/]",
            _moment(record.expires),
            _moment(record.used),
            "" if record.rate is None else f"{record.rate:g}/s",
        )
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


@keys.command(epilog="Example: recloop keys pseudonym users.key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--adopt", is_flag=True, help="Make an existing key the one of a store that has another.")
@store_option
@json_option
def pseudonym(file: Path, adopt: bool, store: str, as_json: bool) -> None:
    """Make the key file FILE, with which recloop serve --pseudonymise replaces the ids of users.

    With --adopt the store's users have pseudonyms of this key from now on: everybody starts anew.
    """
    from recloop.app.pseudonyms import Pseudonyms
    from recloop.app.pseudonyms import adopt as adopt_key

    names = Pseudonyms.read(file) if adopt else Pseudonyms.make(file)
    if adopt:
        with existing_store(store) as opened:
            adopt_key(opened, names, actor=f"recloop keys pseudonym ({getpass.getuser()})")
    if as_json:
        answer({"file": str(file), "fingerprint": names.fingerprint, "adopted": adopt})
        return
    out.print(f"{'adopted' if adopt else 'made'} {file}", markup=False)
    if not adopt:
        out.print("[dim]Keep a copy apart from the store: without it nobody is found again.[/]")


def _show(token: str) -> None:
    out.print(token, markup=False)
    out.print("[dim]Shown once. Send it as: Authorization: Bearer …[/]")


def _moment(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
