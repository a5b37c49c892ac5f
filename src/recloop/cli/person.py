import getpass
from dataclasses import asdict
from pathlib import Path

import click

from recloop.cli.console import answer, existing_store, json_option, out, store_option

key_option = click.option(
    "--pseudonymise",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The key file, where the store holds pseudonyms; USER is then the real id.",
)


@click.group()
def person() -> None:
    """Export or erase all that is kept of one person."""


@person.command(epilog="Example: recloop person export u-4711 --out u-4711.json")
@click.argument("user")
@click.option("--out", "path", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The file to write; its owner alone may read it.")  # fmt: skip
@key_option
@store_option
@json_option
def export(user: str, path: Path, pseudonymise: Path | None, store: str, as_json: bool) -> None:
    """Write the events, decisions and feedback of USER into one JSON file."""
    from recloop.app.person import export_person

    with existing_store(store) as opened:
        found = export_person(opened, _kept_as(user, pseudonymise))
    found.write(path)
    rows = {name: len(getattr(found, name)) for name in ("events", "decisions", "feedback")}
    if as_json:
        answer({"file": str(path), **rows})
        return
    out.print(f"wrote {path}: {_told(rows)}", markup=False)


@person.command(epilog="Example: recloop person erase u-4711")
@click.argument("user")
@key_option
@store_option
@json_option
def erase(user: str, pseudonymise: Path | None, store: str, as_json: bool) -> None:
    """Erase the events, decisions and feedback of USER, and look again."""
    from recloop.app.person import erase_person

    actor = f"recloop person erase ({getpass.getuser()})"
    with existing_store(store) as opened:
        done = erase_person(opened, _kept_as(user, pseudonymise), actor=actor)
    if as_json:
        answer(asdict(done))
        return
    out.print(f"erased: {_told(done.before)}")
    if any(done.archived.values()):
        out.print(f"and from the archive: {_told(done.archived)}")
    out.print(f"a second look finds: {_told(done.after)}")


def _kept_as(user: str, key: Path | None) -> str:
    from recloop.app.pseudonyms import Pseudonyms

    return user if key is None else Pseudonyms.read(key).of(user)


def _told(rows: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in rows.items())
