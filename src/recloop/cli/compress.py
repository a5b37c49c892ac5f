from pathlib import Path

import click
from rich.table import Table

from recloop.cli.console import answer, json_option, out, progress_for
from recloop.loop.compress import Compressed, Compression


@click.command(epilog="Example: recloop compress runs/3f2a/release --max-loss 0.01")
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "--plan", default="recloop.toml", show_default=True, type=click.Path(path_type=Path), help="What made the release."
)
@click.option("--max-loss", type=float, help="Share of the plan's first metric that may be lost; 0.01 is one percent.")
@click.option("--out", "target", type=click.Path(path_type=Path), help="The new folder; beside the old one otherwise.")
@json_option
def compress(release: Path, plan: Path, max_loss: float | None, target: Path | None, as_json: bool) -> None:
    """Write a smaller, faster release beside RELEASE, and say what it costs.

    Each strategy is judged before and after on the plan's held-out events; one that would lose too much stays as it
    is. Where the policy would lose too much, nothing is written.
    """
    from recloop.app.compress import compress as compress_release
    from recloop.loop.plan import read_plan

    progress = progress_for(as_json=as_json)
    done = compress_release(read_plan(plan), release, max_loss=max_loss, out=target, progress=progress)
    if as_json:
        answer(done.to_dict())
        return
    out.print(_table(done))
    out.print(
        f"{_size(done.bytes_before)} → {_size(done.bytes_after)}, judged by {done.metric} on {done.users:,} users; "
        f"at most {done.max_loss:.1%} may be lost"
    )
    if done.together > done.max_loss:
        out.print(
            f"Together those within the limit lose {done.together:.2%} of {done.metric} in {done.policy.name}: taken "
            "one after another, those that save most first, as long as the limit holds."
        )
    if done.trained_on_truth:
        out.print("[dim]The release was trained on the whole log, held-out events too: read losses, not levels.[/]")
    out.print(f"[green]wrote[/] {done.folder} ({done.name})")
    out.print(f"Next: recloop releases promote {done.folder}")


def _table(done: Compression) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("strategy")
    for column in ("bytes", "p50 of a request", done.metric, "lost", ""):
        table.add_column(column, justify="right")
    for row in (*done.strategies, done.policy):
        table.add_row(*_cells(row))
    return table


def _cells(row: Compressed) -> tuple[str, ...]:
    sizes = "" if row.bytes_before is None or row.bytes_after is None else _arrow(row.bytes_before, row.bytes_after)
    return (
        f"[bold]{row.name}[/]" if row.bytes_before is None else row.name,
        sizes,
        f"{1000 * row.p50_before:.2f} → {1000 * row.p50_after:.2f} ms",
        f"{row.before:.4f} → {row.after:.4f}",
        f"{row.loss:+.2%}",
        "" if row.kept else "[yellow]stays as it was[/]",
    )


def _arrow(before: int, after: int) -> str:
    return f"{_size(before)} → {_size(after)}"


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000 or unit == "MB":
            break
        count = round(count / 1000, 1)  # type: ignore[assignment]
    return f"{count:,} {unit}"
