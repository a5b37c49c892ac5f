import time
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option
from recloop.errors import SettingError


@click.command(epilog="Example: recloop judges --store recloop.db --from off_policy.json --page judges.html")
@store_option
@click.option(
    "--run", "runs", multiple=True, type=click.Path(path_type=Path), help="A run's folder; may be given again."
)
@click.option("--from", "files", multiple=True, type=click.Path(path_type=Path),
              help="What evaluate --off-policy --json or simulate --json printed, or a table.")  # fmt: skip
@click.option("--alpha", default=0.05, show_default=True, help="Error rate of intervals.")
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page (.html).")
@json_option
def judges(
    store: str, runs: tuple[Path, ...], files: tuple[Path, ...], alpha: float, page: Path | None, as_json: bool
) -> None:
    """Say how far offline numbers foretold live users, over every policy that was judged both ways.

    Live lifts are read from the experiments of the store, held-out ones from the runs behind its releases; off-policy
    and simulated ones from files.
    """
    from recloop.app.opinions import gather
    from recloop.evaluate.opinions import JUDGES, agreements
    from recloop.experiments.json_values import to_json
    from recloop.loop.folder import write_whole
    from recloop.report.judges import judges_page, said

    if page is not None and page.suffix != ".html":
        raise SettingError(f"the page is {page}", allowed="a file that ends in .html")
    now = time.time()
    with existing_store(store) as opened:
        gathered = gather(opened, now, runs=runs, files=files)
    found = agreements(gathered.opinions, alpha)
    if page is not None:
        write_whole(page, judges_page(gathered.opinions, found, gathered.left_out, now))
    if as_json:
        document = {"opinions": gathered.opinions, "agreements": found, "left_out": gathered.left_out}
        answer(to_json(document) | {"sentences": said(found), "page": str(page) if page else None})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("policy / control")
    for judge in JUDGES:
        table.add_column(judge, justify="right")
    for policy, control in sorted({one.pair for one in gathered.opinions}):
        cells = []
        for judge in JUDGES:
            same = [one for one in gathered.opinions if one.pair == (policy, control) and one.judge == judge]
            newest = max(same, key=lambda one: one.time, default=None)
            spread = "" if newest is None or newest.error != newest.error else f" ± {1.96 * newest.error:.1%}"
            cells.append("–" if newest is None else f"{round(newest.lift, 3) + 0.0:+.1%}{spread}")
        table.add_row(f"{policy} / {control}".replace("[", r"\["), *cells)
    out.print(table)
    for sentence in said(found):
        out.print(sentence, markup=False)
    for words in gathered.left_out:
        out.print(f"[dim]left out:[/] {escape(words)}")
    if page is not None:
        out.print(f"[green]wrote[/] {page}")
