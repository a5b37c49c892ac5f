from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from recloop.cli.console import answer, existing_store, json_option, out, store_option
from recloop.cli.ux.group import ux

if TYPE_CHECKING:
    from recloop.experience.satisfaction import Satisfaction

__all__ = ["ux"]


@ux.command(epilog="Example: recloop ux satisfaction --survey survey.toml --experiment front")
@click.option("--survey", required=True, type=click.Path(path_type=Path, dir_okay=False),
              help="The file by which users were asked.")  # fmt: skip
@click.option("--experiment", default="", help="Tell the arms of this experiment apart.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=28.0, show_default=True,
              help="How far to look back.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the cross-fitting.")
@store_option
@json_option
def satisfaction(survey: Path, experiment: str, days: float, seed: int, store: str, as_json: bool) -> None:
    """How satisfied all users are: the answers of few, sharpened by predictions that do no harm where they are bad."""
    from recloop.app.satisfaction import satisfaction_in_store
    from recloop.experience.surveys import Survey
    from recloop.loop.release import load

    asked = Survey.read(survey)
    with existing_store(store) as opened:
        active = opened.releases.active()
        release = load(Path(active.path)) if active else None
        found = satisfaction_in_store(opened, asked, experiment=experiment, days=days, seed=seed, shown=release)
    if as_json:
        answer({name: one.to_dict() for name, one in found.items()})
        return
    for name, one in found.items():
        out.print(f"[bold]{escape(name)}[/] {escape(one.sentence)}")
        for line in _details(one):
            out.print(f"  [dim]{escape(line)}[/]")


def _details(one: "Satisfaction") -> list[str]:
    """What the mean rests on, and what the predictions are worth."""
    from recloop.experience.satisfaction import FEWEST

    bins = ", ".join(f"{part.predicted:.2f} → {part.answered:.2f}" for part in one.reliability)
    told = [
        f"answers alone: {one.plain_low:.2f} to {one.plain_high:.2f}",
        f"answers wanted for ±{one.margin:.2f}: {one.needed:,} with predictions, {one.needed_plain:,} without",
    ]
    if one.trained:
        told += [
            f"predictions of answers not learned from: correlation {one.correlation:.2f}, AUC {one.auc:.2f}",
            f"calibration, predicted → answered: {bins}",
        ]
    else:
        told.append(f"no model: {FEWEST} answers are wanted to train one")
    return [*told, f"the median answer is {one.age:.1f} days old"]
