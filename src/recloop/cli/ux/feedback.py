import time
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, progress_for, store_option
from recloop.cli.ux.group import ux
from recloop.errors import SettingError

if TYPE_CHECKING:
    from recloop.experience.reading import Comparison, Reading, Theme

__all__ = ["ux"]

URL = "http://localhost:8000/v1"
TIMEOUT = 60.0  # seconds for the words of a theme: nobody waits at a slate


@ux.command(epilog="Example: recloop ux feedback --experiment front --html feedback.html")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--experiment", default="", help="Hold the arms of this experiment against each other.")
@click.option("--treatment", default="", help="The arm that is judged; the experiment's first treatment.")
@click.option("--control", default="", help="What it is held against; the experiment's first control.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=28.0, show_default=True,
              help="How far to look back in the store.")  # fmt: skip
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
              help="Hold what was said from this moment (UTC) on against what was said before.")  # fmt: skip
@click.option("--slice", "slices", multiple=True, help="column=value: hold these comments against the rest.")
@click.option("--themes", type=click.IntRange(1, 100), help="Themes at most; found out without.")
@click.option("--book", type=click.Path(path_type=Path, dir_okay=False), help="File with names that people gave.")
@click.option("--rename", multiple=True, help="old=new, or one+another=new to merge; kept in the book.")
@click.option("--labeller", type=click.Path(path_type=Path, file_okay=False), help="Also sort by this labeller.")
@click.option("--model", default="", help="Let this generative model name the themes and put them into words.")
@click.option("--url", default="", help=f"With --model: its OpenAI-compatible endpoint; {URL} without.")
@click.option("--key-variable", default="", help="With --model: the environment variable that holds the key.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the grouping.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write an HTML page here.")
@click.option("--simulation", is_flag=True, help="The comments are made up, and the page says so.")
@store_option
@json_option
def feedback(file: Path | None, store: str, page: Path | None, as_json: bool, **given: Any) -> None:
    """Read what users say: themes, mood, aspects, and who says what more than others.

    FILE is a Parquet, CSV, TSV or JSON-lines file with a column text; the comments of the store without it. Personal
    data is masked first. With --model three masked comments of each theme are sent to the endpoint; what it answers is
    checked against the numbers.
    """
    from recloop.app.feedback import Wish, feedback_in_file, feedback_in_store
    from recloop.language.chat import Chat
    from recloop.loop.folder import write_whole
    from recloop.report.feedback_page import feedback_page

    moment = given.pop("since")
    model, url, key = (given.pop(name) for name in ("model", "url", "key_variable"))
    if (url or key) and not model:
        raise SettingError("--url or --key-variable is given without --model", advice="name the model, too")
    chat = Chat(url or URL, model, key_variable=key, timeout=TIMEOUT) if model else None
    wish = Wish(**given, chat=chat, change=moment.replace(tzinfo=UTC).timestamp() if moment else None)
    progress = progress_for(as_json=as_json)
    if file is not None:
        reading = feedback_in_file(file, wish, progress=progress).reading
    else:
        with existing_store(store) as opened:
            reading = feedback_in_store(opened, wish, progress=progress).reading
    if page is not None:
        write_whole(page, feedback_page(reading, time.time()))
    if as_json:
        answer(reading.to_dict())
        return
    show(reading)
    if page is not None:
        out.print(f"page: {page}")


def show(reading: "Reading") -> None:
    """The reading on the terminal."""
    out.print(f"[bold]{escape(reading.sentence)}[/]" + (" [yellow]simulation[/]" if reading.simulation else ""))
    if reading.themes:
        out.print(_table("theme", reading.themes))
        for theme in reading.themes:
            if theme.named_by == "model":
                out.print(f"  [bold]{escape(theme.name)}[/]: {escape(' '.join(theme.summary))}")
    if reading.aspects:
        out.print(_table("aspect", reading.aspects))
    for one in reading.comparisons:
        _compared(one)
    if reading.labels:
        told = ", ".join(f"{escape(name)} {count:,}" for name, count in reading.labels.items())
        out.print(f"[bold]labels[/] {told} [dim]({escape(reading.labelled)})[/]")
    for note in filter(None, (reading.accuracy, reading.placed, *reading.notes)):
        out.print(f"[dim]· {escape(note)}[/]")


def _table(what: str, themes: "tuple[Theme, ...]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (what, "users", "of all", "mood", "in their words"):
        table.add_column(name, justify="right" if name in {"users", "of all", "mood"} else "left")
    for one in themes:
        mood = "–" if one.mood is None else f"{one.mood.mean:+.2f}"
        colour = "" if one.mood is None else "red" if one.mood.high < 0 else "green" if one.mood.low > 0 else ""
        quote = " ".join(one.examples[0].text.split())[:90] if one.examples else ""
        cells = (escape(one.name), f"{one.users:,}", f"{one.share:.0%}", f"[{colour}]{mood}[/]" if colour else mood)
        table.add_row(*cells, escape(f"“{quote}”") if quote else "")
    return table


def _compared(one: "Comparison") -> None:
    who = f"{one.users[0]:,} and {one.users[1]:,} {one.of}"
    out.print(f"[bold]{escape(one.ours)} against {escape(one.theirs)}[/] [dim]{who}[/]")
    clear = [shift for shift in one.shifts if shift.clear]
    for shift in clear:
        out.print(f"  [bold]●[/] {escape(shift.sentence)}")
    if not clear:
        out.print("  no theme differs clearly")
    for name, words in (("says more", one.words), ("says less", one.less)):
        if words:
            out.print(f"  {name}: {escape(', '.join(words))}")
