import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.panel import Panel
from rich.table import Table

from recloop.cli.console import answer, json_option, out, progress_for

if TYPE_CHECKING:
    from recloop.app.demo import Demo


@click.command(epilog="Example: recloop demo --quick --out /tmp/demo")
@click.option("--seed", default=0, show_default=True, help="Of the shop, of its users' luck and of training.")
@click.option("--users", type=click.IntRange(min=2), help="How many users the shop has; 1,500, or 1,000 with --quick.")
@click.option("--quick", is_flag=True, help="A smaller shop, without the language model.")
@click.option("--out", "folder", type=click.Path(path_type=Path, file_okay=False), default="recloop-demo",
              show_default=True, help="The folder for everything; an earlier demo in it is replaced.")  # fmt: skip
@click.option("--keep-serving", is_flag=True, help="Leave the service running at the end, until Ctrl-C.")
@json_option
def demo(seed: int, users: int | None, quick: bool, folder: Path, keep_serving: bool, as_json: bool) -> None:
    """The whole loop on a simulated shop: check, train, judge, compose, serve, experiment, decide, release, report.

    The shop, its users and everything they do are made up, with known truth. The service is the real one: it runs in a
    process of its own on a free loopback port, and the simulated users talk to it over HTTP.
    """
    from recloop.service.threads import pin_native_threads

    pin_native_threads()
    from recloop.app.demo import demo as run_demo
    from recloop.app.demo import summary

    def tell(done: "Demo") -> None:
        if as_json:
            answer(summary(done))
        else:
            _tell(done)

    def wait(done: "Demo") -> None:
        tell(done)
        if not as_json:
            out.print(f"\nServing {done.url} (routes: {done.url}/docs). Ctrl-C ends it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return

    done = run_demo(
        folder,
        seed=seed,
        users=users,
        quick=quick,
        progress=progress_for(as_json=as_json),
        serving=wait if keep_serving else None,
    )
    if not keep_serving:
        tell(done)


def _tell(done: "Demo") -> None:
    from recloop.cli.run import leaderboard

    verdict = done.trial.verdict
    out.print()
    out.print("[bold]Judged on held-out data[/] [dim](simulation)[/]")
    out.print(leaderboard(done.run.results, most=4))
    out.print()
    out.print("[bold]What users experienced[/] [dim](simulation)[/]")
    if done.trial.scorecard:
        out.print(_scorecard(done))
    colour = "green" if verdict.verdict == "ship" else "yellow"
    agrees = "[green]agrees[/]" if done.truth.agrees else "[red]disagrees[/]"
    out.print()
    out.print(
        Panel(
            f"{verdict.sentence}\n\nThe decision {agrees} with the known truth. {done.truth.sentence}",
            title="[bold]Decision[/] (simulation)",
            border_style=colour,
            width=min(out.width, 100),
        )
    )
    paths = Table(box=None, pad_edge=False, show_header=False)
    paths.add_row("report", str(done.report))
    paths.add_row("run", str(done.run.folder))
    paths.add_row("plan", str(done.folder / "recloop.toml"))
    paths.add_row("store", str(done.folder / "recloop.db"))
    paths.add_row("release", f"{done.released} is active")
    paths.add_row("took", f"{done.seconds:.0f} s, {done.traffic.slates.height:,} slates over HTTP")
    out.print(paths)
    out.print()
    store = f"--store {done.folder / 'recloop.db'}"
    following = Table(box=None, pad_edge=False, show_header=False, title="Next", title_justify="left")
    following.add_row(f"recloop serve {store}", "[dim]serve the winner[/]")
    following.add_row(f"recloop experiments readout home {store}", "[dim]read the experiment again[/]")
    following.add_row(f"recloop rollback {store}", "[dim]back to what the shop did before[/]")
    following.add_row("recloop init EVENTS.csv", "[dim]begin with your own log[/]")
    out.print(following)


def _scorecard(done: "Demo") -> Table:
    from recloop.experiments.words import percent
    from recloop.metrics.online import OUTCOMES

    card = done.trial.scorecard
    assert card is not None
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric")
    table.add_column(card.treatment, justify="right")
    for control in card.controls:
        table.add_column(control, justify="right")
        table.add_column("change", justify="right")
    colours = {"better": "green", "worse": "red", "open": "dim", "missing": "dim"}
    for metric in dict.fromkeys(row.metric for row in card.rows):
        rows = [card.row(metric, control) for control in card.controls]
        say = OUTCOMES[metric].say
        cells = [rows[0].title, "–" if rows[0].effect is None else say(rows[0].treatment_value)]
        for row in rows:
            if row.effect is None:
                cells += ["–", f"[dim]{row.reason}[/]"]
                continue
            change = percent(row.effect.relative) if row.effect.bounded else f"{row.effect.estimate:+.3g}"
            cells += [say(row.control_value), f"[{colours[row.light]}]{change}[/]"]
        table.add_row(*cells)
    return table
