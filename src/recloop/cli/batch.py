import time
from pathlib import Path
from typing import TextIO

import click

from recloop.cli.console import answer, existing_store, json_option, out, progress_for, store_option


@click.command(epilog="Example: recloop batch slates.parquet --store recloop.db --k 20")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@store_option
@click.option("--data", "plan", type=click.Path(path_type=Path),
              help="Take histories from the log of this plan, and not from the store.")  # fmt: skip
@click.option("--release", type=click.Path(path_type=Path), help="Folder; by default the active one of the store.")
@click.option("--policy", default="", help="A policy of the release; by default the one in charge.")
@click.option("--surface", default="default", show_default=True,
              help="Where they are shown: overrides for this surface, and those for all, are obeyed.")  # fmt: skip
@click.option("--users", type=click.File(encoding="utf-8"), help="A file with one user a line, - for the input stream.")
@click.option("--k", default=10, show_default=True, help="Items of a slate, at most.")
@click.option("--seed", default=0, show_default=True, help="Of the policy's randomness.")
@click.option("--block", default=10_000, show_default=True, help="Users that are done at a time.")
@json_option
def batch(
    target: Path,
    store: str,
    plan: Path | None,
    release: Path | None,
    policy: str,
    surface: str,
    users: TextIO | None,
    k: int,
    seed: int,
    block: int,
    as_json: bool,
) -> None:
    """Write the slates of all users, or of those listed, into the Parquet file TARGET.

    The file appears whole or not at all; a batch that was cut off goes on where it was. The same data and settings give
    the same file.
    """
    from recloop.app.batch import recommend_all
    from recloop.app.log_histories import log_of
    from recloop.data.source import read
    from recloop.errors import MissingError
    from recloop.loop.plan import read_plan
    from recloop.loop.release import load

    progress = progress_for(as_json=as_json)
    log, state, held = None, None, []
    if plan is not None:
        log = log_of(read(read_plan(plan).source, progress).dataset)
    if log is None or release is None:
        with existing_store(store) as opened:
            active = opened.releases.active()
            if release is None and active is None:
                raise MissingError(
                    f"{store} has no active release", advice="name one: recloop batch TARGET --release FOLDER"
                )
            loaded = load(release or Path(active.path if active else ""))
            state = opened.policy_states.get(loaded.name, policy or loaded.default_policy)
            log = opened.events() if log is None else log
            now = time.time()
            held = [one for one in opened.overrides.all() if one.state(now) == "in force" and one.meets(surface, {})]
    else:
        loaded = load(release)
    named = None if users is None else [line for raw in users if (line := raw.rstrip("\r\n"))]
    done = recommend_all(
        loaded, log, target, users=named, policy=policy, state=state, k=k, seed=seed, block=block, overrides=held,
        progress=progress,
    )  # fmt: skip
    if as_json:
        answer({name: getattr(done, name) for name in done.__slots__})
        return
    again = f", {done.resumed:,} of {done.blocks:,} parts from an earlier try" if done.resumed else ""
    out.print(f"[green]wrote[/] {done.rows:,} items for {done.users:,} users into {done.file}{again}")
    out.print(f"policy {done.policy} of release {done.release}")
    if done.empty:
        out.print(f"[yellow]{done.empty:,} users got no item[/]")
    if done.fallbacks:
        out.print(f"[yellow]in the slates of {done.fallbacks:,} users something stood in for a strategy that failed[/]")
