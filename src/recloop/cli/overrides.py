import getpass
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option


@click.group()
def overrides() -> None:
    """Pin, boost, hide or ban items over the policies, with a reason, an owner and an end."""


@overrides.command(epilog="Example: recloop overrides add pin i042 --place 1 --reason 'film of the week' --days 7")
@click.argument("action", type=click.Choice(["pin", "boost", "hide", "ban"]))
@click.argument("items", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for those who wonder later.")
@click.option("--owner", help="Who answers for it; you by default.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True,
              help="It expires after so many.")  # fmt: skip
@click.option("--forever", is_flag=True, help="It does not expire.")
@click.option("--place", type=click.IntRange(min=1), default=1, show_default=True, help="Of the first pinned item.")
@click.option("--strength", type=click.FloatRange(min=0, min_open=True), default=0.5, show_default=True,
              help="Of a boost, in ranges of a slate's scores; 1 lifts above all others.")  # fmt: skip
@click.option("--surface", default="", help="The only surface that it is for; all by default.")
@click.option("--segment", "segments", multiple=True, metavar="NAME=VALUE",
              help="Only requests with this value, such as profile.gender=female; may be given again.")  # fmt: skip
@store_option
@json_option
def add(action: str, items: tuple[str, ...], store: str, as_json: bool, **given: Any) -> None:
    """Put ITEMS over the policies, by their ids. Services that run on the store obey within a second."""
    from recloop.app.overrides import OverrideWish, add_override
    from recloop.loop.release import load

    segment = {}
    for one in given["segments"]:
        name, equals, value = one.partition("=")
        if not equals:
            raise click.BadParameter(f"'{one}' is not NAME=VALUE", param_hint="--segment")
        segment[name] = value
    me = getpass.getuser()
    wish = OverrideWish(
        action, items, given["reason"], given["owner"] or me, given["place"], given["strength"], given["surface"],
        segment, None if given["forever"] else given["days"],
    )  # fmt: skip
    with existing_store(store) as opened:
        active = opened.releases.active()
        release = load(Path(active.path)) if active else None
        made = add_override(opened, wish, release, now=time.time(), actor=f"recloop overrides add ({me})")
    if as_json:
        answer(made._asdict())
        return
    out.print(f"{made.id} holds {_until(made.expires)}", markup=False)


@overrides.command("list", epilog="Example: recloop overrides list --all")
@click.option("--all", "everything", is_flag=True, help="Also those that hold no more.")
@store_option
@json_option
def list_(everything: bool, store: str, as_json: bool) -> None:
    """List the overrides in force, oldest first."""
    now = time.time()
    with existing_store(store) as opened:
        found = [one for one in opened.overrides.all() if everything or one.state(now) == "in force"]
    if as_json:
        answer([one._asdict() | {"state": one.state(now)} for one in found])
        return
    if not found:
        out.print("Nothing is put over the policies.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "does", "items", "where", "owner", "state", "reason"):
        table.add_column(column)
    for one in found:
        where = " ".join([one.surface or "everywhere", *(f"{name}={value}" for name, value in one.segment.items())])
        state = one.state(now)
        told = _until(one.expires) if state == "in force" else state
        table.add_row(one.id, one.action, " ".join(one.items[:5]), where, one.owner, told, one.reason)
    out.print(table)


@overrides.command(epilog="Example: recloop overrides end 01a21dad9aa9")
@click.argument("override")
@store_option
@json_option
def end(override: str, store: str, as_json: bool) -> None:
    """Take OVERRIDE back, by its id. What it changed stays on record."""
    with existing_store(store) as opened:
        ended = opened.overrides.end(override, actor=f"recloop overrides end ({getpass.getuser()})")
    if as_json:
        answer(ended._asdict())
        return
    out.print(f"ended {ended.id}", markup=False)


@overrides.command(epilog="Example: recloop overrides effect 01a21dad9aa9")
@click.argument("override")
@store_option
@json_option
def effect(override: str, store: str, as_json: bool) -> None:
    """Say what OVERRIDE did: slates and places that it changed, and clicks before and since."""
    from recloop.app.override_effects import override_effect

    with existing_store(store) as opened:
        found = override_effect(opened, override, time.time())
    if as_json:
        answer(found.to_dict())
        return
    out.print(found.sentence, markup=False)


def _until(expires: float | None) -> str:
    return "for ever" if expires is None else f"until {datetime.fromtimestamp(expires, tz=UTC):%Y-%m-%d %H:%M} UTC"
