from pathlib import Path

import click

from recloop.cli.console import answer, json_option, out


@click.command(epilog="Example: recloop init events.csv --items items.csv --users users.csv")
@click.argument("events", type=click.Path(path_type=Path))
@click.option("--items", type=click.Path(path_type=Path), help="The catalogue, where there is a file of it.")
@click.option("--users", type=click.Path(path_type=Path), help="The users, where there is a file of them.")
@click.option("--out", "target", type=click.Path(path_type=Path), default="recloop.toml", show_default=True,
              help="The plan to write.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite a plan that is there already.")
@json_option
def init(events: Path, items: Path | None, users: Path | None, target: Path, force: bool, as_json: bool) -> None:
    """Look at EVENTS, guess its columns, and write a commented recloop.toml.

    Says what was guessed and why; nothing but the plan is written.
    """
    from recloop.app.init import init as guess

    done = guess(events, items, users, target, replace=force)
    if as_json:
        answer(done.to_dict())
        return
    for sentence in done.sentences:
        out.print(sentence, markup=False)
    for doubt in done.doubts:
        out.print(f"[yellow]look:[/] {doubt}")
    out.print(f"[green]wrote[/] {done.path}. Next: recloop check {done.path}, then recloop run {done.path}")
