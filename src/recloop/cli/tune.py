import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, json_option, out, plan_argument, progress_for

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(_context: click.Context, _option: click.Parameter, words: str | None) -> float | None:
    """A time span such as 90s, 10m or 2h, in seconds."""
    if words is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", words)
    if not found:
        raise click.BadParameter(f"{words!r} is no time span. It must be a number with a unit: 90s, 10m, 2h, 1d.")
    return float(found[1]) * UNITS[found[2]]


@click.command(epilog="Example: recloop tune recloop.toml --strategy ease --trials 30 --write tuned.toml")
@plan_argument
@click.option("--strategy", "strategies", multiple=True, help="Which of the plan's strategies; may be given again.")
@click.option("--trials", default=30, show_default=True, type=click.IntRange(1), help="Trials of each, in all.")
@click.option("--timeout", callback=seconds, help="Begin no trial of a strategy after this time: 90s, 10m, 2h.")
@click.option("--metric", "metrics", multiple=True, help="What to judge by; several give a Pareto front.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 256), help="Trials at a time.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False), help="Write a new plan with what was found.")
@click.option("--force", is_flag=True, help="Overwrite the plan named by --write.")
@json_option
def tune(
    plan: Path,
    strategies: tuple[str, ...],
    trials: int,
    timeout: float | None,
    metrics: tuple[str, ...],
    jobs: int,
    write: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Search better settings for the strategies of PLAN, judged on validation users only.

    The search is kept in the folder tune/ beside the plan: the same command goes on where it was, even after a kill.
    What a run is judged by is never looked at.
    """
    from recloop.app.tune import PAGE, SNIPPET
    from recloop.app.tune import tune as search

    done = search(
        plan,
        strategies=strategies,
        metrics=metrics,
        trials=trials,
        timeout=timeout,
        jobs=jobs,
        write=write,
        replace=force,
        progress=progress_for(as_json=as_json),
        command=shlex.join(["recloop", *sys.argv[1:]]),
    )
    if as_json:
        answer(
            {
                "searches": [search.to_dict() for search in done.searches],
                "left_out": dict(done.left_out),
                "plan": None if done.plan is None else str(done.plan),
                "stopped": done.stopped,
            }
        )
    else:
        for name, reason in done.left_out.items():
            out.print(f"[dim]without {name}: {escape(reason)}[/]")
        for found in done.searches:
            out.print(f"[bold]{found.name}[/]")
            out.print(found.sentence, markup=False)
            out.print(f"[dim]{found.validation}[/]")
            if found.edges:
                out.print(found.edges, style="yellow", markup=False)
            if len(found.metrics) > 1:
                out.print(_front(found))
            out.print(f"[green]settings:[/] {found.folder / SNIPPET}")
            out.print(f"page:     {found.folder / PAGE}")
        if done.plan is not None:
            out.print(f"[green]wrote[/] {done.plan}")
            out.print(f"Next: recloop run {done.plan}")
    if done.stopped:
        raise KeyboardInterrupt


def _front(found: Any) -> Table:
    """The trials that no other beats on all metrics."""
    table = Table(box=None, pad_edge=False, header_style="bold", title="no other trial beats these", title_style="dim")
    table.add_column("trial")
    for name in (*[metric.name for metric in found.metrics], *found.space):
        table.add_column(name, justify="right")
    for trial in found.front:
        values = [f"{trial.values[metric.name]:.4f}" for metric in found.metrics]
        settings = [f"{value:g}" if isinstance(value, float) else str(value) for value in trial.settings.values()]
        table.add_row(str(trial.number), *values, *settings)
    return table
