import getpass
import math
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option
from recloop.errors import DataError, MissingError, SettingError

if TYPE_CHECKING:
    import polars as pl

users_option = click.option(
    "--users",
    type=click.Path(path_type=Path),
    help="CSV or Parquet file of what is known of users from before: text makes segments, numbers covariates.",
)
STATES = {"running": "green", "draft": "yellow", "stopped": "dim"}


@click.group()
def experiments() -> None:
    """Define, start, stop and read experiments. A running service follows within a second."""


@experiments.command("list", epilog="Example: recloop experiments list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """List the experiments, oldest first."""
    with existing_store(store) as opened:
        records = opened.experiments.all()
    if as_json:
        answer([record._asdict() for record in records])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("experiment", "state", "variants"):
        table.add_column(column)
    for record in records:
        variants = ", ".join(record.definition.get("variants") or record.definition["policies"])
        table.add_row(record.name, f"[{STATES[record.state]}]{record.state}[/]", variants)
    out.print(table if records else "No experiment yet. Make one: recloop experiments create experiment.toml")


@experiments.command(epilog="Example: recloop experiments create experiment.toml")
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@json_option
def create(file: Path, store: str, as_json: bool) -> None:
    """Keep the experiment described in the TOML file FILE as a draft."""
    from recloop.app.experiments import create_experiment
    from recloop.experiments import designs
    from recloop.store import Store

    experiment = designs.parse(toml(file))  # before a store is made for it
    with Store(store) as opened:
        record = create_experiment(opened, experiment.to_dict(), actor=_actor("create"))
    _tell(record._asdict(), as_json=as_json)


@experiments.command(epilog="Example: recloop experiments revise home-page changes.toml")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@json_option
def revise(name: str, file: Path, store: str, as_json: bool) -> None:
    """Make the next version of the experiment NAME, as a draft, with the settings in the TOML file FILE changed."""
    from recloop.app.experiments import revise_experiment

    with existing_store(store) as opened:
        record = revise_experiment(opened, name, toml(file), actor=_actor("revise"))
    _tell(record._asdict(), as_json=as_json)


@experiments.command(epilog="Example: recloop experiments start home-page")
@click.argument("name")
@store_option
@json_option
def start(name: str, store: str, as_json: bool) -> None:
    """Assign users to the experiment NAME from now on.

    Several run at once: one layer shares its users among its experiments, and each surface belongs to one layer.
    """
    from recloop.app.experiments import start_experiment
    from recloop.loop.release import load

    with existing_store(store) as opened:
        active = opened.releases.active()
        release = load(Path(active.path)) if active else None
        record = start_experiment(opened, name, release, actor=_actor("start"))
    _tell(record._asdict(), as_json=as_json)


@experiments.command(epilog="Example: recloop experiments stop home-page")
@click.argument("name")
@store_option
@json_option
def stop(name: str, store: str, as_json: bool) -> None:
    """End the experiment NAME; its users get the default policy again."""
    with existing_store(store) as opened:
        record = opened.experiments.stop(name, actor=_actor("stop"))
    _tell(record._asdict(), as_json=as_json)


@experiments.command(epilog="Example: recloop experiments step home-page")
@click.argument("name")
@store_option
@json_option
def step(name: str, store: str, as_json: bool) -> None:
    """Move the experiment NAME on its ramp if the step is over: wider, or stopped where it does harm.

    A running service does so by itself; without one, call this from a timer.
    """
    from recloop.app.comments import comment_reader
    from recloop.app.ramp import follow_ramp
    from recloop.loop.release import load

    with existing_store(store) as opened:
        active = opened.releases.active()
        shown = load(Path(active.path)) if active else None
        now = time.time()
        moved = follow_ramp(opened, name, now, shown=shown, sentiment=comment_reader(), actor=_actor("step"))
    if as_json:
        due = moved.due if math.isfinite(moved.due) else None
        answer({"move": moved.move, "share": moved.share, "sentence": moved.sentence, "due": due})
        return
    out.print(f"[bold]{moved.move}[/] {moved.sentence}")


@experiments.command(epilog="Example: recloop experiments readout home-page --json")
@click.argument("name")
@users_option
@store_option
@json_option
def readout(name: str, users: Path | None, store: str, as_json: bool) -> None:
    """Say what the experiment NAME shows so far, and what its rule makes of it.

    The intervals may be looked at any time, unless the experiment was planned for one look.
    """
    from recloop.app.comments import comment_reader
    from recloop.app.interleaving import read_interleaving
    from recloop.app.readout import read_trial
    from recloop.experiments.designs import is_interleaving
    from recloop.loop.release import load

    with existing_store(store) as opened:
        if is_interleaving(opened.experiments.get(name).definition):
            told = read_interleaving(opened, name, time.time())
            if as_json:
                answer({"readout": told.to_dict(), "verdict": told.verdict.to_dict()})
                return
            out.print(f"[bold]{told.verdict.sentence}[/]")
            for fact in (*told.verdict.facts, *(check.sentence for check in told.checks)):
                out.print(f"[dim]·[/] {fact}")
            return
        active = opened.releases.active()
        shown = load(Path(active.path)) if active else None
        trial = read_trial(opened, name, time.time(), shown=shown, sentiment=comment_reader(), users=_users(users))
    if as_json:
        answer(
            {
                "readout": trial.readout.to_dict(),
                "verdict": trial.verdict.to_dict(),
                "scorecard": trial.scorecard.to_dict() if trial.scorecard else None,
                "experience": trial.experience.to_dict() if trial.experience else None,
                "findings": trial.problems.to_dict() if trial.problems else None,
            }
        )
        return
    out.print(f"[bold]{trial.verdict.sentence}[/]")
    for fact in trial.verdict.facts:
        out.print(f"[dim]·[/] {fact}")
    if trial.scorecard:
        for row in trial.scorecard.rows:
            out.print(f"  {row.sentence}", markup=False)
    if trial.problems and trial.problems.primary:
        out.print(trial.problems.sentence, markup=False)
    if trial.experience:
        out.print(f"[dim]·[/] {escape(trial.experience.sentence)}")


@experiments.command(epilog="Example: recloop experiments holdout home-page --since 2026-01-01")
@click.argument("name")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Slates before do not count; UTC."
)
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Slates from then on do not; UTC."
)
@click.option("--metric", default="", help="To begin with; the experiment's primary metric by default.")
@click.option("--planned-users", default=10_000, show_default=True, help="At which the intervals are narrowest.")
@store_option
@json_option
def holdout(
    name: str,
    since: datetime | None,
    until: datetime | None,
    metric: str,
    planned_users: int,
    store: str,
    as_json: bool,
) -> None:
    """Say what all that was launched did together: everybody against the users that the experiment NAME holds out."""
    from recloop.app.comments import comment_reader
    from recloop.app.holdout import read_launches
    from recloop.loop.release import load

    with existing_store(store) as opened:
        active = opened.releases.active()
        found = read_launches(
            opened,
            name,
            time.time(),
            since=since.replace(tzinfo=UTC).timestamp() if since else None,
            until=until.replace(tzinfo=UTC).timestamp() if until else math.inf,
            primary=metric,
            planned_users=planned_users,
            shown=load(Path(active.path)) if active else None,
            sentiment=comment_reader(),
        )
    if as_json:
        answer(found.to_dict())
        return
    out.print(f"[bold]{found.sentence}[/]")
    for fact in found.facts:
        out.print(f"[dim]·[/] {fact}")


@experiments.command(
    epilog="Example: recloop experiment analyze exposures.parquet --events events.parquet --plan exp.toml"
)
@click.argument("data")
@click.option(
    "--plan", "plan", type=click.Path(path_type=Path), required=True, help="What is read, by which rule: TOML."
)
@click.option("--events", help="What users did: user, kind, time, value. Without it DATA has one row per user.")
@click.option("--database", help="Read tables of this database (a URL); DATA and --events are tables or queries.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page here.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Also write Markdown here.")
@click.option("--parquet", type=click.Path(path_type=Path, dir_okay=False), help="Also write all effects here.")
@json_option
def analyze(
    data: str,
    plan: Path,
    events: str | None,
    database: str | None,
    html: Path | None,
    markdown: Path | None,
    parquet: Path | None,
    as_json: bool,
) -> None:
    """Read an experiment whose data lie elsewhere: DATA is a Parquet or CSV file, or a table.

    No store and no service are needed. The rows are summed up where they lie, in one pass.
    """
    from recloop.experiments.analysis import analyze as read

    found = read(data, plan=plan, events=events, database=database)
    for path, write in ((html, found.to_html), (markdown, found.to_markdown), (parquet, found.to_parquet)):
        if path:
            write(path)
    if as_json:
        answer(found.to_dict())
        return
    out.print(found)
    for path in (html, markdown, parquet):
        if path:
            out.print(f"written: {path}", markup=False)


@experiments.command(epilog="Example: recloop experiments decide home-page --apply")
@click.argument("name")
@click.option("--apply", "apply_", is_flag=True, help="Stop or promote, where the experiment's definition allows it.")
@click.option("--plan", type=click.Path(path_type=Path), help="A plan whose [gate] a winner must pass: recloop.toml.")
@users_option
@store_option
@json_option
def decide(name: str, apply_: bool, plan: Path | None, users: Path | None, store: str, as_json: bool) -> None:
    """Decide on the experiment NAME by its rule, and write the decision down with the data that it rests on.

    With --apply, harm ends it (auto_stop), and a winner gets all users (auto_promote). Run it from a timer: a decision
    that was cut off is finished by the next one.
    """
    from recloop.app.comments import comment_reader
    from recloop.app.decision import decide_experiment
    from recloop.loop.gate import NO_GATE
    from recloop.loop.plan import read_plan

    with existing_store(store) as opened:
        done = decide_experiment(
            opened,
            name,
            time.time(),
            actor=_actor("decide"),
            apply=apply_,
            sentiment=comment_reader(),
            users=_users(users),
            rules=read_plan(plan).gate if plan else NO_GATE,
        )
    if as_json:
        answer({"entry": done.entry.to_dict(), "applied": done.applied, "paragraph": done.trial.verdict.paragraph})
        return
    out.print(done.trial.verdict.paragraph, markup=False)
    if apply_:
        what = {"stop": "stopped", "promote": "promoted, and the experiment stopped"}
        out.print(f"[bold]{what[done.entry.action]}[/]" if done.applied else f"[dim]{done.entry.reason}[/]")


@experiments.command(epilog="Example: recloop experiments log home-page")
@click.argument("name")
@store_option
@json_option
def log(name: str, store: str, as_json: bool) -> None:
    """Show who or what decided on the experiment NAME, when, and on which data."""
    from recloop.app.decision import decision_log

    with existing_store(store) as opened:
        entries = decision_log(opened, name)
    if as_json:
        answer([entry.to_dict() for entry in entries])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("when (UTC)", "who", "version", "users", "data", "verdict", "action"):
        table.add_column(column)
    for entry in entries:
        when = datetime.fromtimestamp(entry.time, tz=UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            when, entry.actor, str(entry.version), f"{entry.users:,}", entry.data[:12], entry.verdict, entry.action
        )
    out.print(table if entries else f"No decision yet. Make one: recloop experiments decide {name}")


def toml(file: Path) -> dict[str, Any]:
    """What a TOML file that describes an experiment holds.

    Raises:
        MissingError: there is no such file.
        SettingError: it is not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"there is no file {file}", advice="name a TOML file that describes an experiment") from None
    except UnicodeDecodeError as error:
        raise SettingError(f"{file} is not UTF-8 text: byte {error.start}", advice="save it as UTF-8") from None
    except OSError as error:
        raise MissingError(f"{file} cannot be read: {error.strerror}", advice="name a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{file} is not TOML: {error}", advice='text needs quotation marks: name = "home"') from None


def _users(file: Path | None) -> "pl.DataFrame | None":
    """One row per user: Parquet by its suffix, CSV else."""
    if file is None:
        return None
    import polars as pl

    if not file.is_file():
        raise MissingError(f"there is no file {file}", advice="name a CSV or Parquet file with one row per user")
    try:
        return pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file} cannot be read: {error}", allowed="a CSV or Parquet file") from None


def _actor(verb: str) -> str:
    return f"recloop experiments {verb} ({getpass.getuser()})"


def _tell(record: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        answer(record)
        return
    out.print(f"{record['name']} is [{STATES[record['state']]}]{record['state']}[/]")
