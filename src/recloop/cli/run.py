from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, json_option, out, plan_argument, progress_for


@click.command(epilog="Example: recloop run recloop.toml --dry-run")
@plan_argument
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@json_option
def run(plan: Path, dry_run: bool, as_json: bool) -> None:
    """Read, split, train, judge and compose as PLAN says: one folder per run, with a report and a release.

    The same plan on the same data is not computed twice.
    """
    from recloop.app.run import run as run_plan
    from recloop.loop.plan import read_plan

    read = read_plan(plan)
    done = run_plan(read, dry_run=dry_run, progress=progress_for(as_json=as_json), command=f"recloop run {plan}")
    if as_json:
        answer(
            {
                "id": done.id,
                "folder": None if dry_run else str(done.folder),
                "reused": done.reused,
                "plan_hash": done.plan_hash,
                "data_fingerprint": done.data_fingerprint,
                "left_out": dict(done.left_out),
                "plan": done.plan.to_dict(),
                "results": dict(done.results),
            }
        )
        return
    if dry_run:
        if done.reused:
            out.print(f"Would reuse {done.folder}: the plan and the data are those of an earlier run")
        else:
            out.print(f"Would make run {done.id} of {len(read.strategies)} strategies: {', '.join(read.strategies)}")
        for name, reason in done.left_out.items():
            out.print(f"[dim]without {name}: {escape(reason)}[/]")
        out.print("Nothing was written.")
        return
    for name, reason in done.left_out.items():
        out.print(f"[dim]without {name}: {escape(reason)}[/]")
    out.print(leaderboard(done.results))
    metrics = [entry["name"] for entry in done.results["metrics"]]
    for leader in done.results["best"]:
        if leader["metric"] == metrics[0]:
            out.print(leader["sentence"])
    if done.results.get("rules"):
        out.print(rules(done.results["rules"]))
    for note in done.results.get("rule_notes", ()):
        out.print(f"[dim]settled by precedence: {escape(note)}[/]")
    if done.reused:
        out.print(f"[yellow]reused[/] the plan and the data are those of an earlier run: {done.folder}")
    else:
        out.print(f"[green]wrote[/] {done.folder}")
    out.print(f"report:  {done.report}")
    out.print(f"release: {done.release}")
    out.print(f"Next: recloop serve --release {done.release}")


def rules(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What each business rule did to held-out slates, as a table for the terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "does"):
        table.add_column(name)
    for name in ("slates changed", "places per slate", "exposure moved"):
        table.add_column(name, justify="right")
    for row in rows:
        changed = f"{row['slates']:,} of {row['requests']:,}"
        table.add_row(escape(row["rule"]), row["does"], changed, f"{row['places']:.2f}", f"{row['exposure']:.1%}")
    return table


def leaderboard(results: Mapping[str, Any], most: int = 6) -> Table:
    """The leaderboard's first metrics as a table for the terminal, best first."""
    metrics = [entry["name"] for entry in results["metrics"]][:most]
    cells = {(row["strategy"], row["metric"]): row for row in results["leaderboard"]}
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("strategy")
    for name in metrics:
        table.add_column(name, justify="right")

    def value(name: str) -> float:
        found = cells.get((name, metrics[0]), {}).get("value")
        return float("-inf") if found is None else float(found)

    for place, name in enumerate(sorted(results["strategies"], key=value, reverse=True)):
        row = []
        for metric in metrics:
            cell = cells.get((name, metric))
            if cell is None or cell["value"] is None:
                row.append("–")
                continue
            spread = "" if cell["low"] is None else f" [dim]±{(cell['high'] - cell['low']) / 2:.3f}[/]"
            row.append(f"{cell['value']:.4f}{spread}")
        table.add_row(f"[bold green]{name}[/]" if place == 0 else name, *row)
    return table
