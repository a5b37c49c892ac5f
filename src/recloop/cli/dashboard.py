import getpass
import sys
from datetime import UTC, datetime

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option

role_option = click.option(
    "--role", type=click.Choice(["viewer", "operator"]), default="viewer", show_default=True,
    help="A viewer reads; an operator also changes overrides, reviews and the active release.",
)  # fmt: skip


@click.group()
def dashboard() -> None:
    """Who may log in to the pages that recloop serve shows at /dashboard."""


@dashboard.group()
def user() -> None:
    """Add, list and change the people who may log in."""


def _password() -> str:
    """As typed twice; a line of what is piped in."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    found: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return found


@user.command(epilog="Example: recloop dashboard user add eva --role operator")
@click.argument("name")
@role_option
@store_option
@json_option
def add(name: str, role: str, store: str, as_json: bool) -> None:
    """Let NAME log in. The password is asked for, or read from a line that is piped in; only its hash is kept."""
    from recloop.store import Store

    with Store(store) as opened:
        made = opened.accounts.add(name, _password(), role, actor=f"recloop dashboard user add ({getpass.getuser()})")
    if as_json:
        answer({"name": made.name, "role": made.role})
        return
    out.print(f"{made.name} may log in as {made.role}", markup=False)


@user.command("list", epilog="Example: recloop dashboard user list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """List the people, without their passwords."""
    with existing_store(store) as opened:
        people = opened.accounts.all()
    if as_json:
        answer([one._asdict() for one in people])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "role", "state", "last login"):
        table.add_column(column)
    for one in people:
        state = "[green]may log in[/]" if one.disabled is None else "[red]disabled[/]"
        last = "never" if one.used is None else datetime.fromtimestamp(one.used, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
        table.add_row(one.name, one.role, state, last)
    out.print(table)


@user.command(epilog="Example: recloop dashboard user change eva --password")
@click.argument("name")
@click.option("--password", "ask", is_flag=True, help="Ask for a new password.")
@click.option("--role", type=click.Choice(["viewer", "operator"]), help="Another role.")
@click.option("--disable/--enable", "disable", default=None, help="Take the right to log in away, or give it back.")
@store_option
@json_option
def change(name: str, ask: bool, role: str | None, disable: bool | None, store: str, as_json: bool) -> None:
    """Give NAME another password or role, or take the right to log in away. Open sessions of NAME end."""
    if not ask and role is None and disable is None:
        raise click.UsageError("nothing is to change: give --password, --role, --disable or --enable")
    with existing_store(store) as opened:
        changed = opened.accounts.change(
            name,
            password=_password() if ask else None,
            role=role,
            enabled=None if disable is None else not disable,
            actor=f"recloop dashboard user change ({getpass.getuser()})",
        )
    if as_json:
        answer({"name": changed.name, "role": changed.role, "disabled": changed.disabled is not None})
        return
    out.print(f"changed {changed.name}: {changed.role}{', disabled' if changed.disabled else ''}", markup=False)
