import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option
from recloop.cli.experiments import experiments, toml
from recloop.errors import SettingError

if TYPE_CHECKING:
    from recloop.experiments import Experiment
    from recloop.experiments.sizing import Pilot, Sizing
    from recloop.metrics.online import OutcomeMetric

RULES = ("fixed", "sequential", "group-sequential")
SHOWN = {1, 2, 3, 5}  # days of the first week that are shown, and then every seventh


@experiments.command(epilog="Example: recloop experiments power --metric slate_ctr --change 5% --plot mde.svg")
@click.option("--metric", help="What is measured; the experiment's primary metric, or slate_ctr.")
@click.option(
    "--experiment", "definition", type=click.Path(path_type=Path), help="A TOML file to take the design from."
)
@click.option("--from", "file", type=click.Path(path_type=Path), help="A Parquet or CSV file to learn from.")
@click.option("--events", type=click.Path(path_type=Path), help="The events that followed, where FILE holds decisions.")
@click.option("--covariate", default="", help="A column of the user table, known before the start, that adjusts.")
@click.option("--history", default=28, show_default=True, help="Days of the history to learn from, from its end.")
@click.option("--baseline", type=float, help="The metric's value, instead of a history.")
@click.option("--deviation", type=float, help="Standard deviation that one user adds; not needed of shares of users.")
@click.option("--users-per-day", type=float, help="New users on each day, instead of those of the history.")
@click.option("--change", help="The change to find: 5% of the baseline, or 0.01 in the metric's unit.")
@click.option("--treatments", type=click.IntRange(1, 100), help="Treatments beside one control, all of one size.")
@click.option("--traffic", type=float, help="Share of the users that takes part.")
@click.option("--rule", type=click.Choice(RULES), help="One look, one at any time, or some that are planned.")
@click.option("--looks", type=click.IntRange(1, 100), help="How many are planned, for group-sequential; 5 by default.")
@click.option("--alpha", type=float, help="Error rate of all comparisons together.")
@click.option("--power", "chance", default=0.8, show_default=True, help="Chance to find the change.")
@click.option("--correlation", default=0.0, show_default=True, help="Of the metric with what adjusts it (CUPED).")
@click.option("--adjust", type=click.Choice(["bonferroni", "dunnett"]), help="How treatments share the error rate.")
@click.option("--days", default=42, show_default=True, type=click.IntRange(1, 3650), help="How many are told.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write the course as .svg or .html.")
@store_option
@json_option
def power(as_json: bool, store: str, plot: Path | None, days: int, change: str | None, **given: Any) -> None:
    """Say how small a change an experiment can find, day by day, and how long a wanted one takes.

    Learns from what the service served (--store), from a file (--from: users, decisions or events), or from numbers
    (--baseline, --users-per-day).
    """
    from recloop.experiments.sizing import size

    if plot is not None and plot.suffix not in {".svg", ".html"}:
        raise SettingError(f"the plot is {plot}", allowed="a file that ends in .svg or .html")
    experiment = _experiment(given["definition"])
    pilot, correlation = _pilot(store, given, experiment)
    if given["users_per_day"] is not None:
        pilot = _with_users(pilot, given["users_per_day"])
    design = _design(given, experiment, correlation)
    sizing = size(pilot, design, days=days, change=_change(change, pilot))
    sentences = _sentences(sizing)
    if plot is not None:
        from recloop.report.power import power_page, power_picture

        text = power_picture(sizing) if plot.suffix == ".svg" else power_page(sizing, sentences, time.time())
        plot.write_text(text, encoding="utf-8")
    if as_json:
        answer(sizing.to_dict() | {"sentences": sentences, "plot": str(plot) if plot else None})
        return
    _show(sizing, sentences)
    if plot is not None:
        out.print(f"[green]wrote[/] {plot}")


def _experiment(file: Path | None) -> "Experiment | None":
    from recloop.experiments import Experiment

    return Experiment.parse(toml(file)) if file else None


def _pilot(store: str, given: dict[str, Any], experiment: "Experiment | None") -> "tuple[Pilot, float]":
    """What is known of the users, and the correlation that was found in it."""
    from recloop.app.power import metric_named, pilot_given, pilot_of_files, pilot_of_store

    metric = metric_named(given["metric"] or (experiment.primary if experiment else "slate_ctr"))
    window = experiment.window if experiment else 86_400.0
    if given["baseline"] is not None:
        if given["file"] is not None:
            raise SettingError("both a baseline and a file are given", advice="give one of --baseline and --from")
        if given["users_per_day"] is None:
            raise SettingError("nobody says how many users come", advice="give --users-per-day")
        return pilot_given(metric, given["baseline"], given["deviation"], given["users_per_day"]), 0.0
    if given["file"] is not None:
        return pilot_of_files(
            given["file"],
            metric,
            events=given["events"],
            covariate=given["covariate"],
            days=given["history"],
            window=window,
        )
    with existing_store(store) as opened:
        return pilot_of_store(opened, metric, days=given["history"], window=window), 0.0


def _with_users(pilot: "Pilot", users_per_day: float) -> "Pilot":
    from dataclasses import replace

    return replace(pilot, new_users=(users_per_day,))


def _design(given: dict[str, Any], experiment: "Experiment | None", correlation: float) -> Any:
    from recloop.experiments.sizing import Design

    names = {
        "traffic": "traffic",
        "rule": "rule",
        "looks": "looks",
        "alpha": "alpha",
        "chance": "power",
        "adjust": "adjustment",
    }
    settings = {name: given[option] for option, name in names.items() if given[option] is not None}
    if given["looks"] is not None and given["rule"] != "group-sequential":
        raise SettingError(
            "a number of looks is given, and no rule that plans them", advice="add --rule group-sequential"
        )
    settings["correlation"] = given["correlation"] or correlation
    if experiment is None:
        return Design.even(given["treatments"] or 1, **settings)
    if given["treatments"] is not None:
        raise SettingError("both an experiment and a number of treatments are given", advice="leave --treatments out")
    return Design.of(experiment, **settings)


def _change(words: str | None, pilot: "Pilot") -> float | None:
    """A change such as 5% or 0.01, in the metric's unit."""
    if words is None:
        return None
    try:
        value = float(words.removesuffix("%"))
    except ValueError:
        raise SettingError(f"the change is '{words}'", allowed="5% of the baseline, or 0.01 in its unit") from None
    return value / 100 * pilot.baseline if words.endswith("%") else value


def _sentences(sizing: "Sizing") -> list[str]:
    from recloop.experiments.words import change, percent

    pilot, design = sizing.pilot, sizing.design
    metric: OutcomeMetric = pilot.metric
    compared = (
        "one comparison" if design.comparisons == 1 else f"{design.comparisons} comparisons ({design.adjustment})"
    )
    looks = {
        "fixed": "one look",
        "sequential": "a look at any time",
        "group-sequential": f"{len(design.looks_at)} planned looks",
    }
    price = "" if design.rule == "fixed" else f", for {design.inflation:.2f} times the users of one look"
    said = [
        f"{metric.title}: {metric.say(pilot.baseline)}. {pilot.said}",
        f"{compared}, error rate {design.alpha:.3g}, power {design.power:.0%}, {looks[design.rule]}{price}.",
    ]
    if design.correlation:
        said.append(f"Adjusted by a covariate of correlation {design.correlation:.2f}: it saves "
                    f"{design.correlation**2:.0%} of the users.")  # fmt: skip
    if sizing.wanted is not None:
        wanted = change(metric, sizing.wanted)
        if pilot.baseline:
            wanted += f" ({percent(sizing.wanted / pilot.baseline)})"
        needed = sizing.needed
        said.append(
            f"To find {wanted}: {needed.users:,} users, which takes {needed.day} days."
            if needed
            else f"To find {wanted} takes more than ten years: ask for a larger change, or for more users."
        )
    if sizing.needed and 1 < len(pilot.new_users) < sizing.needed.day:
        said.append(
            f"Beyond the {len(pilot.new_users)} days that are known, each counts as the mean of their last week."
        )
    return [sentence[0].upper() + sentence[1:] for sentence in said]


def _show(sizing: "Sizing", sentences: list[str]) -> None:
    from recloop.experiments.words import change, percent

    for sentence in sentences:
        out.print(sentence, markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("day", "users", "smallest change", "relative"):
        table.add_column(column, justify="right")
    last = len(sizing.days)
    for day in sizing.days:
        if day.day in SHOWN or day.day % 7 == 0 or day.day == last:
            relative = percent(day.relative) if math.isfinite(day.relative) else "–"
            table.add_row(str(day.day), f"{day.users:,}", change(sizing.pilot.metric, day.change), relative)
    out.print(table)
