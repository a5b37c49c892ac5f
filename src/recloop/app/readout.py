"""An experiment read from the store: the same for the service, the commands and the report."""

import math
from collections.abc import Callable, Sequence

import polars as pl
from numpy.typing import ArrayLike

from recloop.app.item_facts import Shown, release_facts
from recloop.app.own_slates import decisions_of
from recloop.app.problems import BEFORE
from recloop.app.read_once import Readable, ReadOnce
from recloop.app.trial_experience import experience_of, findings_of
from recloop.experience.scorecard import scorecard
from recloop.experience.surveys.weights import weighted_answers
from recloop.experiments import Experiment, LogEntry, decide, read_out
from recloop.experiments.counted import counted, without_forced
from recloop.experiments.look import reached
from recloop.loop.gate import NO_GATE, GateConfig
from recloop.metrics.before import before_table
from recloop.metrics.outcomes import DAY, by_user, slate_table, user_table, with_diversity, with_users
from recloop.report.report import Trial
from recloop.store import Store
from recloop.store.experiments import STOPPED

Sentiment = Callable[[Sequence[str]], ArrayLike]
PAST = 180 * DAY
"""How far back events tell what users liked and had."""


def daily_table(
    store: Readable,
    name: str,
    *,
    shown: Shown | None,
    sentiment: Sentiment | None,
    until: float = math.inf,
) -> pl.DataFrame:
    """What each user of an experiment was shown and did so far: one row per variant, user and day, as sums.

    Args:
        store: decisions, events and feedback.
        name: of the experiment.
        shown: the release whose items were shown.
        sentiment: texts to numbers in [-1, 1], for comments; None leaves them unread.
        until: only slates up to this time (seconds since 1970), with what followed within the attribution window.

    Raises:
        MissingError: there is no such experiment.
    """
    record = store.experiments.get(name)
    # by the clock of the requests, which a client may set, not by that of the store
    first = store.first_decision(name)
    since = math.inf if first is None else first
    decisions = decisions_of(store, name, since).filter(pl.col("time") <= until)
    if shown is not None and shown.vectors is not None:
        decisions = with_diversity(decisions, shown.items, shown.vectors)
    events = store.events(since=since - PAST)
    table = user_table(
        decisions,
        events,
        store.feedback(since=since),
        Experiment.parse(record.definition).window,
        sentiment=sentiment,
        facts=None if shown is None else release_facts(shown, events, since),
        daily=True,
    )
    return weighted_answers(table, decisions)


def history_table(store: Readable, experiment: Experiment, table: pl.DataFrame) -> pl.DataFrame | None:
    """What the users of a user table did before their first slate, from the store; None where nobody asks for it."""
    if not experiment.covariate_days or not table.height:
        return None
    firsts = table.group_by("user").agg(pl.col("first").min())
    since = float(firsts["first"].min()) - experiment.covariate_days * DAY  # type: ignore[arg-type]
    until = float(firsts["first"].max())  # type: ignore[arg-type]
    shown = store.decisions(since=since, until=until)
    return before_table(
        firsts, shown, store.events(since=since, until=until), experiment.covariate_days, experiment.window
    )


def arms_table(store: Readable, name: str, experiment: Experiment) -> pl.DataFrame | None:
    """The slates of an experiment with what followed, the arm and the chance of each arm; None where none has any."""
    since = store.first_decision(name)
    if since is None:
        return None
    mine = store.decisions(since=since).filter(pl.col("experiment") == name)
    if not (mine["allocation"] != "").any():
        return None
    counts = pl.when(pl.col("forced")).then(pl.lit("")).otherwise(pl.col("variant"))
    decisions = decisions_of(store, name, since).with_columns(variant=counts)
    facts = decisions.select("time", "arm", "allocation", decision="id")
    return slate_table(decisions, store.events(since=since), experiment.window).join(facts, on="decision", how="left")


def read_trial(
    store: Store,
    name: str,
    now: float,
    *,
    shown: Shown | None = None,
    sentiment: Sentiment | None = None,
    users: pl.DataFrame | None = None,
    whole: bool = True,
    find: bool = True,
    treatment: str = "",
    rules: GateConfig = NO_GATE,
) -> Trial:
    """An experiment with its numbers, its verdict and what users went through (None where nothing may be read yet).

    Args:
        store: decisions, events and feedback.
        name: of the experiment.
        now: seconds since 1970.
        shown: as for ``daily_table``.
        sentiment: as for ``daily_table``.
        users: user and what is known of them from before the start: numbers are covariates, all else are segments.
        whole: also measure what users went through beyond the short scorecard: the catalogue, fairness, the log,
            and where it hurts.
        find: look for where it hurts, too.
        treatment: the variant that is judged; that of the verdict, or the first, where empty.
        rules: how much worse groups of users may fare, and on which metrics.

    Raises:
        MissingError: there is no such experiment.
        DataError: ``users`` has no column user, or repeats one.
    """
    record = store.experiments.get(name)
    experiment = Experiment.parse(record.definition)
    log = _log(store, name, experiment)
    daily = daily_table(log, name, shown=shown, sentiment=sentiment)
    table, numeric = by_user(daily), dict[str, bool]()
    if users is not None:
        table = with_users(table, users)
        numeric = {column: kind.is_numeric() for column, kind in users.schema.items() if column != "user"}
    at_look = None
    if experiment.rule == "group-sequential" and (look := reached(experiment, counted(experiment, table).kept, now)):
        at_look = by_user(daily_table(log, name, shown=shown, sentiment=sentiment, until=look.until))
    readout = read_out(
        experiment,
        table,
        now,
        segment_columns=[column for column, number in numeric.items() if not number],
        covariates=[column for column, number in numeric.items() if number],
        daily=daily,
        aa_p_values=aa_p_values(store, name),
        before=history_table(log, experiment, table),
        at_look=at_look,
        slates=arms_table(log, name, experiment),
    )
    verdict = decide(experiment, readout, stopped=record.state == STOPPED)
    treatment = treatment or verdict.treatment or experiment.treatments[0]
    someone = all(readout.users[arm] for arm in (treatment, *experiment.controls))
    card, experience, found = None, None, None
    if someone and not readout.hidden:
        planned = experiment.planned_for(treatment, experiment.controls[0]) if readout.basis != "fixed" else None
        card = scorecard(
            without_forced(table)[0],
            treatment,
            experiment.controls,
            experiment.alpha,
            planned_users=planned,
            crossed=experiment.unit != "user",
        )
        if whole:
            kept = without_forced(table)[0]
            experience = experience_of(
                log,
                experiment,
                name,
                kept,
                treatment,
                planned_users=planned,
                shown=shown,
                now=None if record.state == STOPPED else now,
                rules=rules,
            )
            found = findings_of(log, experiment, name, treatment, now, sentiment) if find else None
    return Trial(experiment, readout, verdict, card, experience, found)


def _log(store: Store, name: str, experiment: Experiment) -> ReadOnce:
    """What a readout reads: of decisions the experiment and some weeks before it, of events half a year before it."""
    first = store.first_decision(name)
    since = math.inf if first is None else first
    return ReadOnce(store, since - max(BEFORE, experiment.covariate_days) * DAY, since - PAST)


def aa_p_values(store: Store, name: str) -> list[float] | None:
    """The last p-value of every other experiment whose variants all have one policy; None where there is none such."""
    found = [
        LogEntry.parse(entries[-1]).p_value
        for record in store.experiments.all()
        if record.name != name
        and len({variant["policy"] for variant in record.definition["variants"].values()}) == 1
        and (entries := store.experiments.decisions(record.name))
    ]
    return found or None
