from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from recloop.cli.console import answer, json_option, out, progress_for
from recloop.cli.ux.group import ux

__all__ = ["ux"]

_file = click.argument("file", type=click.Path(path_type=Path))
_text = click.option("--text", default="text", show_default=True, help="The column of the texts.")


@ux.command(
    "learn-labels", epilog="Example: recloop ux learn-labels complaints.csv --label reason --out labellers/reason"
)
@_file
@_text
@click.option("--label", default="label", show_default=True, help="The column of the labels; empty where unknown.")
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="The new labeller's folder.")
@click.option("--encoder", default="default", show_default=True, help="What the texts are read with.")
@click.option("--fit", is_flag=True, help="Fine-tune the encoder to the labels, too (minutes; extra lm).")
@click.option("--epochs", type=click.IntRange(1), help="Of that; by the number of labels without.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of folds and training.")
@json_option
def learn_labels(
    file: Path,
    text: str,
    label: str,
    folder: Path,
    encoder: str,
    fit: bool,
    epochs: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Learn from FILE to sort texts into the classes that its labels name, and say how well.

    FILE is a Parquet, CSV, TSV or JSON-lines file. Some twenty texts of each label are a beginning.
    """
    from recloop.app.labels import learn_labels as learn

    done = learn(
        file, folder, text=text, label=label, encoder=encoder, fit=fit, epochs=epochs, seed=seed,
        progress=progress_for(as_json=as_json),
    )  # fmt: skip
    agreement = done.labeller.agreement
    if as_json:
        told = None if agreement is None else asdict(agreement)
        answer({"folder": str(done.folder), "texts": done.texts, "labels": done.labeller.names, "agreement": told})
        return
    out.print(f"{done.texts:,} texts, {len(done.labeller.names)} labels: {escape(str(agreement))}")
    out.print(f"[green]wrote[/] {done.folder}")
    out.print(f"Next: recloop ux label TEXTS --labeller {done.folder} --out labelled.parquet")


@ux.command(epilog="Example: recloop ux label comments.csv --labeller labellers/reason --out labelled.parquet")
@_file
@_text
@click.option("--labeller", required=True, type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--out", "target", required=True, type=click.Path(path_type=Path, dir_okay=False), help="A Parquet file.")
@json_option
def label(file: Path, text: str, labeller: Path, target: Path, as_json: bool) -> None:
    """Add the columns label and label_probability to the table in FILE."""
    from recloop.app.labels import label_texts

    counts = label_texts(file, labeller, target, text=text, progress=progress_for(as_json=as_json))
    if as_json:
        answer({"file": str(target), "labels": counts})
        return
    for name, count in counts.items():
        out.print(f"{count:>8,}  {escape(name)}")
    out.print(f"[green]wrote[/] {target}")
