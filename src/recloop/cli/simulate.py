import os
import shlex
import sys
from pathlib import Path

import click
from rich.table import Table

from recloop.cli.console import answer, json_option, out, progress_for


@click.command(epilog="Example: recloop simulate recloop.toml --strategy ease --strategy ials --days 14")
@click.argument("plan_or_data", type=click.Path(path_type=Path), default="recloop.toml")
@click.option("--release", type=click.Path(path_type=Path), help="Try the policies of the release in this folder.")
@click.option("--policy", "policies", multiple=True, help="Only this policy of the release; may be given again.")
@click.option("--strategy", "strategies", multiple=True, help="Train this strategy and try it; may be given again.")
@click.option("--service", help="Also try a running service at this URL. It keeps what simulated users do.")
@click.option("--baseline", default="popular", show_default=True, help="What the others are compared with.")
@click.option("--days", default=14, show_default=True, type=click.IntRange(1), help="Simulated days.")
@click.option("--users", default=2000, show_default=True, type=click.IntRange(2), help="Users of the log who come.")
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 200), help="Items of a slate.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of everything random.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), default="simulation.html",
              show_default=True, help="Where the report is written.")  # fmt: skip
@json_option
def simulate(
    plan_or_data: Path,
    release: Path | None,
    policies: tuple[str, ...],
    strategies: tuple[str, ...],
    service: str | None,
    baseline: str,
    days: int,
    users: int,
    k: int,
    seed: int,
    page: Path,
    as_json: bool,
) -> None:
    """Fit a simulator to the log of PLAN_OR_DATA and try policies on it. All its numbers are a simulation.

    The report says how far the simulator is from the log, and which of its numbers are assumed. Controls (none, random,
    popular) are always tried.
    """
    from recloop.app.simulate import simulate as run
    from recloop.report.simulation import cell, plain
    from recloop.simulate.fitted.compare import METRICS, totals

    done = run(
        plan_or_data,
        release=release,
        policies=policies,
        strategies=strategies,
        service=service,
        key=os.environ.get("RECLOOP_KEY"),
        baseline=baseline,
        days=days,
        users=users,
        k=k,
        seed=seed,
        page=page,
        command=shlex.join(["recloop", *sys.argv[1:]]),
        progress=progress_for(as_json=as_json),
    )
    found = done.comparison
    if as_json:
        answer({**plain(found, done.fidelity, done.world), "notes": list(done.notes), "page": str(done.page)})
        return
    out.print(f"[bold yellow]simulation[/] {found.users:,} users, {found.days} days; no user saw these slates")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("policy", no_wrap=True)
    for name in METRICS.values():
        table.add_column(name, justify="right")
    for name in found.runs:
        lines = [found.line(name, metric) for metric in METRICS]
        cells = []
        for line in lines:
            sure = line.effect is not None and not line.effect.low <= 0 <= line.effect.high
            cells.append(f"[bold]{cell(line)}[/]" if sure else cell(line))
        table.add_row(f"{name} [dim]baseline[/]" if name == found.baseline else name, *cells)
    out.print(table)
    out.print(f"[dim]± half of the 95% interval over users; bold differs from {found.baseline}, paired by user[/]")
    near = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("how near the log", "simulated", "floor", "better"):
        near.add_column(column, justify="left" if column in {"how near the log", "better"} else "right")
    for one in done.fidelity.measures:
        near.add_row(one.name, f"{one.value:.3f}", "–" if one.floor != one.floor else f"{one.floor:.3f}", one.better)
    out.print(near)
    for note in done.notes:
        out.print(f"[yellow]·[/] {note}")
    sums = totals(found)
    out.print(f"{sums['interactions']:,.0f} items shown or taken in {sums['cpu_seconds']:.1f} CPU s")
    out.print(f"[green]wrote[/] {done.page}")
