"""Experiments as pages: the sentence first, then pictures; and what users experienced."""

from typing import Any, NamedTuple

import polars as pl
from markupsafe import Markup

from recloop.charts import Series, lines
from recloop.dashboard.page import day
from recloop.dashboard.reviews import told
from recloop.dashboard.visit import Shown, Visit
from recloop.errors import RecloopError
from recloop.experiments import designs
from recloop.experiments.guardrails import GuardrailResult
from recloop.experiments.words import percent
from recloop.metrics.outcomes import DAY
from recloop.report.experience import experience as scorecard
from recloop.report.report import Trial
from recloop.report.trial import trial
from recloop.store import Store
from recloop.store.experiments import DRAFT, ExperimentRecord

STATES = {"held": "good", "breached": "bad", "unclear": "warn"}


class Told(NamedTuple):
    """What an experiment says now: the tone of its verdict, and sentences; ``trial`` where it splits users."""

    tone: str
    sentence: str
    paragraph: str
    facts: tuple[str, ...]
    trial: Trial | None


def records(store: Store) -> list[ExperimentRecord]:
    """Every experiment, the one that began last first; drafts at the end."""
    return sorted(store.experiments.all(), key=lambda one: -(one.started or 0.0))


def read(visit: Visit, name: str) -> Told:
    """The readout and the verdict of an experiment; it takes seconds where there are many users, so it is kept."""
    return visit.memory.ask(("experiment", name), lambda: _read(visit, name))


def _read(visit: Visit, name: str) -> Told:
    serving = visit.serving
    record = serving.store.experiments.get(name)
    if record.state == DRAFT:
        return Told("quiet", "It is a draft: nobody is assigned yet.", "", (), None)
    try:
        if designs.is_interleaving(record.definition):
            _, verdict = serving.experiments.read_out(name)
            return Told(verdict.verdict, verdict.sentence, verdict.paragraph, tuple(verdict.facts), None)
        found = serving.experiments.trial(name, whole=False)  # its pages show the short scorecard
    except RecloopError as error:
        return Told("quiet", str(error), "", (), None)
    verdict = found.verdict
    return Told(verdict.verdict, verdict.sentence, verdict.paragraph, tuple(verdict.facts), found)


def experiments(visit: Visit) -> Shown:
    """All of them, with what each says."""
    rows = [
        {"record": one, "told": read(visit, one.name), "variants": len(one.definition.get("variants", {}))}
        for one in records(visit.serving.store)
    ]
    return Shown("experiments.html", {"rows": rows}, "Experiments")


def experiment(visit: Visit) -> Shown:
    """One: the sentence, the lifts, how they grew, traffic, guardrails, validity, and what users experienced."""
    name = visit.path["name"]
    record, said = visit.serving.store.experiments.get(name), read(visit, name)
    shown = said.trial is not None and not said.trial.readout.hidden
    values: dict[str, Any] = {
        "record": record,
        "told": said,
        "trial": trial(said.trial.experiment, said.trial.readout) if said.trial and shown else None,
        "hidden": said.trial.readout.hidden if said.trial else "",
        "checks": [] if said.trial is None or shown else said.trial.readout.checks,
        "guardrails": _guardrails(said.trial) if said.trial and shown else [],
        "scorecard": scorecard(said.trial.scorecard) if said.trial and said.trial.scorecard else None,
        "traffic": visit.memory.ask(("traffic of", name), lambda: _traffic(visit.serving.store, name)),
        "log": visit.serving.experiments.log(name),
    }
    return Shown("experiment.html", values, name)


def experience(visit: Visit) -> Shown:
    """The scorecard of an experiment, and the findings with their words."""
    store = visit.serving.store
    known = [one for one in records(store) if one.started is not None and not designs.is_interleaving(one.definition)]
    names = [one.name for one in known]
    wanted = visit.query.get("experiment", "")
    name = wanted if wanted in names else next(iter(names), "")
    said = read(visit, name) if name else None
    card = said.trial.scorecard if said and said.trial else None
    findings = [
        told(store, one, visit.now) for one in store.reviews.all() if one.present or one.shown(visit.now) == "open"
    ]
    values = {
        "names": names,
        "name": name,
        "told": said,
        "scorecard": scorecard(card) if card else None,
        "findings": findings,
    }
    return Shown("experience.html", values, "Experience")


def _guardrails(found: Trial) -> list[dict[str, str]]:
    metrics = found.readout.metrics

    def said(one: GuardrailResult) -> str:
        metric = metrics[one.metric]
        margin = percent(one.margin) if one.scale == "relative" else metric.say(one.margin)
        title = f"{metric.title} of {one.treatment} against {one.control}"
        return f"{title}: a loss of {margin} is the most that is accepted. {one.reason}".strip()

    return [
        {"tone": STATES[one.status], "status": one.status, "sentence": said(one)} for one in found.readout.guardrails
    ]


def _traffic(store: Store, name: str) -> Markup | None:
    """Slates of each variant by day; None where there are not two whole days."""
    rows = store.decisions(experiment=name).with_columns(day=(pl.col("time") // DAY) * DAY)
    rows = rows.filter(pl.col("day") < pl.col("day").max())
    counted = rows.group_by("variant", "day").agg(slates=pl.len()).sort("day")
    days = sorted(counted["day"].unique().to_list())
    if len(days) < 2:
        return None
    tones = ("first", "second", "quiet", "good", "bad")
    drawn = [
        Series(str(variant), own["day"].to_list(), own["slates"].to_list(), tone=tones[place % len(tones)])
        for place, (variant, own) in enumerate(
            (variant, counted.filter(pl.col("variant") == variant))
            for variant in counted["variant"].unique().sort().to_list()
        )
    ]
    ticks = [(at, day(at).rsplit(" ", 1)[0]) for at in days[:: max(1, len(days) // 5)]]
    return Markup(lines(drawn, "Slates of each variant by day", x_ticks=ticks))  # noqa: S704 -- our own picture
