from pathlib import Path

import click

from recloop.cli.console import answer, json_option, out, plan_argument, progress_for, store_option


@click.command(epilog="Example: recloop load recloop.toml --store recloop.db")
@plan_argument
@store_option
@click.option("--pseudonymise", type=click.Path(path_type=Path, dir_okay=False),
              help="Replace the ids of users by a keyed hash; the file holds the key.")  # fmt: skip
@json_option
def load(plan: Path, store: str, pseudonymise: Path | None, as_json: bool) -> None:
    """Put the events of PLAN's log into the store, so that the service knows the users of the log.

    Loading the same log again adds nothing.
    """
    from recloop.app.load import load_events
    from recloop.app.pseudonyms import Pseudonyms
    from recloop.data.source import read
    from recloop.loop.plan import read_plan
    from recloop.store import Store

    progress = progress_for(as_json=as_json)
    reading = read(read_plan(plan).source, progress)
    names = None if pseudonymise is None else Pseudonyms.read(pseudonymise)
    with Store(store) as opened:
        kept = load_events(opened, reading, names=names, progress=progress)
    if as_json:
        answer(kept._asdict())
        return
    out.print(f"[green]loaded[/] {kept.accepted:,} events into {store} ({kept.duplicates:,} were there already)")
