from pathlib import Path
from shlex import quote
from typing import Any

import click

from recloop.cli.console import answer, existing_store, json_option, out, store_option


@click.command(epilog="Example: recloop export shop.tar --store recloop.db")
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@json_option
def export(file: Path, store: str, as_json: bool) -> None:
    """Write the whole installation to FILE: the store, its archive, its releases. A service may run meanwhile."""
    from recloop.app.export import export as write

    with existing_store(store) as opened:
        told = write(opened, file)
    if as_json:
        answer(told | {"file": str(file)})
        return
    out.print(f"wrote {file} ({_inside(told)})")
    for name, reason in told["left_out"].items():
        out.print(f"left out: release {name}. {reason}", markup=False)


@click.command("import", epilog="Example: recloop import shop.tar --out shop")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", "folder", type=click.Path(path_type=Path), default="recloop", show_default=True,
              help="The folder to make.")  # fmt: skip
@click.option("--store", help="An empty database that takes the store's rows, such as postgresql://user@host/shop; "
              "else they are in a file in the folder.")  # fmt: skip
@json_option
def import_(file: Path, folder: Path, store: str | None, as_json: bool) -> None:
    """Make a new folder of the installation in FILE: serve from it with --store FOLDER/recloop.db."""
    from recloop.app.export import import_ as read

    told = read(file, folder, store)
    if as_json:
        answer(told)
        return
    out.print(f"wrote {folder} ({_inside(told)})")
    out.print(f"Serve it: recloop serve --store {quote(told['store'])}", soft_wrap=True, markup=False)


def _inside(told: dict[str, Any]) -> str:
    rows = ", ".join(f"{told[log]:,} {log}" for log in ("events", "decisions", "feedback"))
    return f"{rows}, {told['parts']} archived files, {len(told['releases'])} releases"
