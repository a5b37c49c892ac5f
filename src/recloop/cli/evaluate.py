import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, plan_argument, progress_for
from recloop.errors import SettingError

if TYPE_CHECKING:
    from recloop.evaluate.off_policy import Judgement

SQLITE = b"SQLite format 3\x00"
COLOURS = {"better": "green", "worse": "red", "open": "", "refused": "yellow"}


@click.command(epilog="Example: recloop evaluate --off-policy decisions.parquet --policy new --page judged.html")
@plan_argument
@click.option(
    "--off-policy", "log", metavar="LOG", help="A log with propensities: a file, an Open Bandit folder, or a store."
)
@click.option("--policy", "policies", multiple=True, help="What is judged; may be given again. By default all.")
@click.option("--release", type=click.Path(path_type=Path), help="Whose policies a store judges; its active one.")
@click.option("--logged", default="", help="The policy whose decisions are read from a store; that with the most.")
@click.option("--unit", type=click.Choice(["slate", "place"]), default="slate", show_default=True,
              help="Of a store: whole slates by their arm, or each place by its item.")  # fmt: skip
@click.option("--reward", type=click.Choice(["click", "clicks", "purchases", "revenue"]), default="click",
              show_default=True, help="Of a store: what a slate earns.")  # fmt: skip
@click.option("--hours", default=24.0, show_default=True, help="Of a store: how long after a decision events count.")
@click.option("--estimator", default="sndr", show_default=True, help="Whose value is reported, or auto.")
@click.option("--alpha", default=0.05, show_default=True, help="Error rate of intervals.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page (.html) or picture (.svg).")
@json_option
def evaluate(plan: Path, log: str | None, page: Path | None, as_json: bool, **given: Any) -> None:
    """Judge policies before they go live: by held-out data of PLAN, or by a log of what another policy did.

    With --off-policy it ranks policies by what they would have earned, says how sure that is, and refuses, naming why,
    where the log cannot tell. Without, it judges the strategies of PLAN and their blend by held-out events, as recloop
    run does.
    """
    if page is not None and page.suffix not in {".html", ".svg"}:
        raise SettingError(f"the page is {page}", allowed="a file that ends in .html or .svg")
    if log is None:
        _held_out(plan, given["policies"], as_json=as_json)
        return
    from recloop.evaluate.off_policy.words import sentences
    from recloop.experiments.json_values import to_json
    from recloop.loop.folder import write_whole

    found = _judge(log, given, as_json=as_json)
    if page is not None:
        from recloop.report.off_policy import off_policy_page, off_policy_picture

        write_whole(page, off_policy_picture(found) if page.suffix == ".svg" else off_policy_page(found, time.time()))
    said = sentences(found)
    if as_json:
        concludes = {one.policy: one.concludes for one in found.policies}
        answer(to_json(found) | {"sentences": said, "concludes": concludes, "page": str(page) if page else None})
        return
    _show(found, said)
    if page is not None:
        out.print(f"[green]wrote[/] {page}")


def _judge(log: str, given: dict[str, Any], *, as_json: bool) -> "Judgement":
    from recloop.app.off_policy import judge_file, judge_store

    shared = {name: given[name] for name in ("estimator", "alpha", "seed")}
    progress = progress_for(as_json=as_json)
    if "://" in log or _is_sqlite(Path(log)):
        with existing_store(log) as store:
            return judge_store(
                store, given["policies"], release=given["release"], logged=given["logged"], unit=given["unit"],
                reward=given["reward"], window=given["hours"] * 3600, progress=progress, **shared,
            )  # fmt: skip
    return judge_file(Path(log), given["policies"], progress=progress, **shared)


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _held_out(plan: Path, wanted: tuple[str, ...], *, as_json: bool) -> None:
    from recloop.app.run import run
    from recloop.cli.run import leaderboard
    from recloop.errors import MissingError, nearest
    from recloop.loop.plan import read_plan

    done = run(read_plan(plan), progress=progress_for(as_json=as_json), command=f"recloop run {plan}")
    results = dict(done.results)
    for name in wanted:
        if name not in results["strategies"]:
            raise MissingError(f"the plan has no '{name}'", advice=nearest(name, results["strategies"]))
    if wanted:
        results["strategies"] = list(wanted)
        results["leaderboard"] = [row for row in results["leaderboard"] if row["strategy"] in wanted]
        results["best"] = []
    if as_json:
        answer({"folder": str(done.folder), "reused": done.reused, "results": results})
        return
    out.print(leaderboard(results))
    for leader in results["best"][:1]:
        out.print(leader["sentence"], markup=False)
    out.print(f"{'from' if done.reused else 'wrote'} {done.folder}")


def _show(found: "Judgement", said: list[str]) -> None:
    from recloop.evaluate.off_policy.words import verdict

    out.print(f"{found.rounds:,} rounds of {found.users:,} users, {found.rewarded:,} with a reward: {found.source}",
              markup=False)  # fmt: skip
    if found.left_out:
        out.print(f"left out: {found.left_out}", markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("policy")
    for name in ("value", f"{1 - found.alpha:.0%} interval", "less the log", "worth rounds", "rewarded", "not tried"):
        table.add_column(name, justify="right")
    table.add_column("beside the log")
    low, high = found.logged[1:]
    table.add_row("[dim]as logged[/]", f"{found.logged[0]:.4g}", f"{low:.4g} to {high:.4g}")
    for one in found.policies:
        word = verdict(one, found.alpha)
        colour = COLOURS[word]
        table.add_row(
            f"[bold]{_plain(one.policy)}[/]" if one.concludes else f"[dim]{_plain(one.policy)}[/]",
            *(
                ("–", "–", "–")
                if one.value != one.value
                else (f"{one.value:.4g}", f"{one.low:.4g} to {one.high:.4g}", f"{one.lift[0]:+.4g}")
            ),
            f"{one.weights.effective:,.0f}",
            f"{one.rewards:,.0f}",
            "–" if one.missing != one.missing else f"{one.missing:.1%}",
            f"[{colour}]{word}[/]" if colour else word,
        )
    out.print(table)
    for sentence in said:
        out.print(sentence, markup=False)
    for one in found.policies:
        for objection in one.objections:
            if not objection.refuses:
                out.print(f"[yellow]careful[/] with {_plain(one.policy)}: {_plain(objection.said)}")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
