import getpass
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.markup import escape

from recloop.cli.console import answer, existing_store, json_option, out, store_option
from recloop.cli.ux.group import ux
from recloop.errors import DataError

__all__ = ["ux"]  # the group with its last command

COLOURS = {"open": "bold red", "muted": "yellow", "resolved": "green"}


@ux.command(epilog="Example: recloop ux problems --json | recloop ux review --take -")
@click.argument("finding", required=False)
@click.option("--take", "report", type=click.Path(path_type=Path, allow_dash=True),
              help="Bring in a report, as recloop ux problems --json prints it; - reads what is piped in.")  # fmt: skip
@click.option("--assign", "assignee", help="Say who looks after FINDING; '' for nobody.")
@click.option("--mute", type=click.FloatRange(min=0, min_open=True), help="Leave FINDING alone for so many days.")
@click.option("--resolve", is_flag=True, help="FINDING is mended; it is open again when it returns.")
@click.option("--reopen", is_flag=True, help="FINDING is not mended, or not to be muted, after all.")
@click.option("--note", default="", help="What is to be remembered about it.")
@click.option("--all", "everything", is_flag=True, help="Also list what is muted or resolved.")
@store_option
@json_option
def review(
    finding: str | None,
    report: Path | None,
    assignee: str | None,
    mute: float | None,
    resolve: bool,
    reopen: bool,
    note: str,
    everything: bool,
    store: str,
    as_json: bool,
) -> None:
    """List the findings that wait, or do something about FINDING, by its id."""
    from recloop.app.reviews import Change, change_review, take_report

    me, now = getpass.getuser(), time.time()
    wishes = [
        *([Change("assign", assignee=assignee, note=note)] if assignee is not None else []),
        *([Change("mute", days=mute, note=note)] if mute is not None else []),
        *([Change("resolve", note=note)] if resolve else []),
        *([Change("reopen", note=note)] if reopen else []),
    ]
    if bool(wishes) != bool(finding):
        raise click.UsageError(
            "say what is to become of the finding: --assign, --mute, --resolve or --reopen"
            if finding
            else "name the finding that this is about"
        )
    with existing_store(store) as opened:
        taken = take_report(opened, _read(report), actor=f"recloop ux review ({me})") if report else None
        changed = [change_review(opened, finding, wish, now=now, actor=me) for wish in wishes] if finding else []
        rows = opened.reviews.all()
    if as_json:
        answer(
            {
                "taken": taken._asdict() if taken else None,
                "reviews": [one._asdict() | {"state": one.shown(now)} for one in (changed[-1:] or rows)],
            }
        )
        return
    if taken:
        out.print(f"{len(taken.new)} new, {len(taken.returned)} returned, {len(taken.gone)} gone")
    shown = changed[-1:] or [one for one in rows if everything or one.shown(now) == "open"]
    if not shown:
        out.print("No finding waits.")
    for one in shown:
        state = one.shown(now)
        out.print(f"[{COLOURS[state]}]{state}[/] {escape(one.id)}  {escape(one.assignee or 'nobody looks after it')}")
        out.print(f"  {escape(str(one.finding.get('sentence') or one.finding.get('title', '')))}")
        last = datetime.fromtimestamp(one.last_seen, tz=UTC).strftime("%Y-%m-%d")
        out.print(f"  [dim]last seen {last}{f'; {escape(one.note)}' if one.note else ''}[/]")


def _read(report: Path) -> dict[str, object]:
    try:
        found = json.loads(sys.stdin.read() if str(report) == "-" else report.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"the report is not JSON: {error}") from None
    return found if isinstance(found, dict) else {}
