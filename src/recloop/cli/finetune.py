from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, json_option, out, plan_argument, progress_for


@click.command(epilog="Example: recloop finetune recloop.toml --out encoders/shop")
@plan_argument
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="The new encoder's folder.")
@click.option("--whole-log", is_flag=True, help="Learn from the events, too, that the split holds out.")
@json_option
def finetune(plan: Path, folder: Path, whole_log: bool, as_json: bool) -> None:
    """Fit the encoder of PLAN's table [finetune] to its catalogue and to what people take together.

    The result is a folder that any setting `encoder` takes. Only the training events of the plan's split are learned
    from. A training that was killed goes on where it was.
    """
    from recloop.app.finetune import finetune as tune
    from recloop.loop.plan import read_plan

    done = tune(read_plan(plan), folder, whole_log=whole_log, progress=progress_for(as_json=as_json))
    if as_json:
        answer(
            {
                "folder": str(done.folder),
                "fingerprint": done.fingerprint,
                "trained": done.trained,
                "weights": done.weights,
                "seconds": done.seconds,
                "stages": [{name: _plain(value) for name, value in asdict(stage).items()} for stage in done.stages],
            }
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("stage", "pairs", "held-out pairs found (MRR)", "epochs", "seeds averaged"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage in done.stages:
        found = "–" if isnan(stage.after) else f"{stage.before:.3f} → {stage.after:.3f}"
        epochs = "+".join(str(len(history.losses)) for history in stage.histories)
        table.add_row(stage.name, f"{stage.pairs:,}", found, epochs, f"{stage.averaged} of {len(stage.histories)}")
    out.print(table)
    out.print(f"{done.trained:,} of {done.weights:,} weights learned, in {done.seconds:,.0f} s")
    out.print(f"[green]wrote[/] {done.folder}")
    out.print(escape(f'Next: set encoder = "{done.folder}" in [strategies.content], then recloop run {plan}'))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value
