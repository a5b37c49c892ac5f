"""What the users of an experiment went through, from the store."""

import polars as pl

from recloop.app.item_facts import Shown, release_facts
from recloop.app.own_slates import decisions_of
from recloop.app.problems import Wish, problems_in_store
from recloop.app.read_once import ReadOnce
from recloop.errors import RecloopError
from recloop.experience.fair import told
from recloop.experience.measure import PARITY, user_experience
from recloop.experience.problems import Problems
from recloop.experience.result import UserExperience
from recloop.experience.strongest import strongest
from recloop.experiments import Experiment
from recloop.loop.gate import GateConfig
from recloop.metrics.online import OUTCOMES
from recloop.metrics.outcomes import DAY
from recloop.metrics.outcomes.log import Sentiment


def experience_of(
    store: ReadOnce,
    experiment: Experiment,
    name: str,
    table: pl.DataFrame,
    treatment: str,
    *,
    planned_users: int | None,
    shown: Shown | None,
    now: float | None,
    rules: GateConfig,
) -> UserExperience:
    """The whole catalogue, fairness and the log of an experiment.

    Groups of users come from the profiles that requests told.

    Args:
        store: decisions and events.
        experiment: the definition.
        name: of the experiment in the store.
        table: its user table, without users who got a variant by hand.
        treatment: the variant that is judged.
        planned_users: of the treatment and a control; None where the intervals are for one look.
        shown: the release whose items were shown.
        now: seconds since 1970, for how stale the log is; None where it has ended.
        rules: how much worse groups of users may fare, and on which metrics.
    """
    first = float(table["first"].min())  # type: ignore[arg-type]
    decisions = decisions_of(store, name, first).filter(pl.col("variant") != "", ~pl.col("forced"))
    events = store.events(since=first)
    return user_experience(
        table,
        decisions,
        events,
        treatment,
        experiment.controls,
        experiment.alpha,
        groups=told(decisions),
        facts=None
        if shown is None
        else release_facts(shown, store.events(since=first - 180 * DAY, until=first), first),
        columns=("category", "brand", "provider"),
        parity=tuple(dict.fromkeys([*PARITY, *rules.metrics])),
        loss=rules.loss,
        against=strongest(table, OUTCOMES[experiment.primary], experiment.controls),
        planned_users=planned_users,
        crossed=experiment.unit != "user",
        now=now,
    )


def findings_of(
    store: ReadOnce,
    experiment: Experiment,
    name: str,
    treatment: str,
    now: float,
    sentiment: Sentiment | None = None,
) -> Problems | None:
    """Where the treatment hurts against the strongest control; None where it cannot be told.

    Args:
        store: decisions, events and feedback.
        experiment: the definition.
        name: of the experiment in the store.
        treatment: the variant that is judged.
        now: seconds since 1970.
        sentiment: as for ``problems_in_store``.
    """
    if experiment.unit != "user":
        return None
    try:
        return problems_in_store(store, Wish(name, treatment), now, sentiment=sentiment)
    except RecloopError:  # too little to look at: the readout itself stands
        return None
