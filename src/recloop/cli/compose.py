"""``recloop compose``: policies over the strategies of a plan."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, json_option, out, plan_argument, progress_for
from recloop.cli.tune import seconds


@click.group()
def compose() -> None:
    """Search how to mix strategies and weigh objectives.

    Example: recloop compose tune recloop.toml --metric ndcg@10 --metric novelty@10
    """


@compose.command(epilog="Example: recloop compose tune recloop.toml --metric ndcg@10 --metric novelty@10 --trials 100")
@plan_argument
@click.option("--metric", "metrics", multiple=True, help="An aim; two or more. The first decides where one must.")
@click.option("--source", "sources", multiple=True, help="A strategy that may be mixed; may be given again.")
@click.option("--weigh", multiple=True, help="An objective that may be weighed; may be given again; none for none.")
@click.option("--guard", "guards", multiple=True, help="What a point must keep: ndcg@10>=98% or coverage@10>=0.2.")
@click.option("--trials", default=100, show_default=True, type=click.IntRange(1), help="Trials, in all.")
@click.option("--timeout", callback=seconds, help="Begin no trial after this time: 90s, 10m, 2h.")
@click.option(
    "--sampler",
    default="nsga2",
    show_default=True,
    type=click.Choice(["nsga2", "gp"]),
    help="NSGA-II, or Gaussian processes where a trial is dear.",
)
@click.option(
    "--write", type=click.Path(path_type=Path, dir_okay=False), help="Write a new plan with the policy found."
)
@click.option(
    "--take",
    default="knee",
    show_default=True,
    type=click.Choice(["accurate", "knee", "balanced"]),
    help="Which point goes into the new plan.",
)
@click.option("--force", is_flag=True, help="Overwrite the plan named by --write.")
@json_option
def tune(
    plan: Path,
    metrics: tuple[str, ...],
    sources: tuple[str, ...],
    weigh: tuple[str, ...],
    guards: tuple[str, ...],
    trials: int,
    timeout: float | None,
    sampler: str,
    write: Path | None,
    take: str,
    force: bool,
    as_json: bool,
) -> None:
    """Search policies of PLAN that no other beats on several metrics at once.

    The search is kept in the folder tune/ beside the plan: the same command goes on where it was, even after a kill.
    What a run is judged by is never looked at.
    """
    from recloop.app.compose import ARMS, PAGE, PICTURE, tune_policies

    done = tune_policies(
        plan,
        metrics=metrics,
        sources=sources,
        weigh=weigh,
        guards=guards,
        trials=trials,
        timeout=timeout,
        sampler="gp" if sampler == "gp" else "nsga2",
        write=write,
        take=take,
        overwrite=force,
        progress=progress_for(as_json=as_json),
        command=shlex.join(["recloop", *sys.argv[1:]]),
    )
    found = done.found
    if as_json:
        answer(found.to_dict() | {"left_out": done.left_out, "plan": None if done.plan is None else str(done.plan)})
    else:
        for name, reason in done.left_out.items():
            out.print(f"[dim]without {name}: {escape(reason)}[/]")
        out.print(found.sentence, markup=False)
        out.print(f"[dim]{found.judged}[/]")
        if found.picks:
            out.print(_picks(found))
        for pick in found.picks:
            out.print(f"[green]{pick.name}:[/] {found.searched.folder / f'policy-{pick.name}.toml'}")
        if len(found.picks) > 1:
            out.print(f"as arms:  {found.searched.folder / ARMS}")
        out.print(f"picture:  {found.searched.folder / PICTURE}")
        out.print(f"page:     {found.searched.folder / PAGE}")
        if done.plan is not None:
            out.print(f"[green]wrote[/] {done.plan}")
            out.print(f"Next: recloop run {done.plan}")
    if found.searched.stopped:
        raise KeyboardInterrupt


def _picks(found: Any) -> Table:
    """The points to take, beside the best single strategy."""
    table = Table(
        box=None, pad_edge=False, header_style="bold", title="on other users, 95% interval", title_style="dim"
    )
    table.add_column("take")
    aims = [aim.name for aim in found.aims]
    names = list(dict.fromkeys([*aims, *(name for pick in found.picks for name in pick.confirmed)]))
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("better than every strategy alone on")
    for pick in found.picks:
        values = [_said(pick, name) for name in names]
        table.add_row(pick.name, *values, ", ".join(pick.better()) or "–")
    return table


def _said(pick: Any, aim: str) -> str:
    if not pick.confirmed:
        return f"{pick.values[aim]:.4f}"
    value, low, high = pick.confirmed[aim]
    return f"{value:.4f} ({low:.4f} to {high:.4f})"
