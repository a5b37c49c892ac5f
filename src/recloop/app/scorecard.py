"""The scorecard of what users went through: of an experiment in the store, of a store's last weeks, or of files."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from recloop.app.item_facts import with_popularity
from recloop.app.log_histories import histories_of
from recloop.app.own_slates import decisions_of
from recloop.app.problems import frame
from recloop.app.readout import Sentiment, read_trial
from recloop.errors import DataError, MissingError, SettingError, nearest
from recloop.experience.fair import told
from recloop.experience.measure import user_experience
from recloop.experience.reasons import Trust, trust
from recloop.experience.result import UserExperience
from recloop.experience.strongest import strongest
from recloop.experience.surveys.weights import weighted_answers
from recloop.loop.release import Release
from recloop.metrics.online import OUTCOMES
from recloop.metrics.outcomes import ItemFacts, user_table
from recloop.metrics.outcomes.log import require
from recloop.progress import SILENT, Progress
from recloop.store import Store

ALL = "all"
TWICE = 0.05  # share of slates that came before, from which a log is refused
"""The variant of a log that has none."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a log lies: Parquet or CSV.

    Attributes:
        decisions: id, user, time, items (a list, or ids joined by ``|``); variant, latency, fallback, context where
            known.
        events: user, item, kind, time; value and decision where known.
        feedback: user, kind, time; value, text, item and decision where known.
        items: item; category, popularity, arrived and what else makes kinds of items.
        users: user, and attributes that make groups.
    """

    decisions: Path
    events: Path
    feedback: Path | None = None
    items: Path | None = None
    users: Path | None = None


def experience_in_store(
    store: Store,
    name: str,
    now: float,
    *,
    release: Release | None = None,
    sentiment: Sentiment | None = None,
    reasons: int = 0,
    rng: np.random.Generator | None = None,
    progress: Progress = SILENT,
) -> UserExperience:
    """What the users of an experiment went through.

    Args:
        store: decisions, events and feedback.
        name: of the experiment.
        now: seconds since 1970.
        release: whose items were shown.
        sentiment: texts to numbers from -1 to 1, for comments.
        reasons: users whose reasons are checked; 0 for none.
        rng: picks them; needed where ``reasons`` is above 0.
        progress: shows how far it is.

    Raises:
        MissingError: there is no such experiment.
        DataError: nothing may be read of it yet; the reason is said.
    """
    trial = read_trial(store, name, now, shown=release, sentiment=sentiment)
    if trial.experience is None:
        why = trial.readout.hidden or "a variant has no users yet"
        raise DataError(f"experiment '{name}' cannot be read: {why}", advice="wait, or mend what is broken")
    if not reasons or release is None or rng is None:
        return trial.experience
    policy = trial.experiment.variants[trial.experience.treatment].policy
    found = checked_reasons(store, release, policy, name, reasons, now, rng, progress)
    return trial.experience.with_trust(found)


def checked_reasons(
    store: Store,
    release: Release,
    policy: str,
    name: str,
    reasons: int,
    now: float,
    rng: np.random.Generator,
    progress: Progress = SILENT,
) -> Trust | None:
    """Check the reasons that a policy gives to a sample of the users of an experiment; None where it has no arm."""
    if policy not in release.policies:
        return None
    users = decisions_of(store, name, 0.0).filter(pl.col("variant") != "")["user"].unique().sort()
    events = store.events().filter(pl.col("item") != "", pl.col("user").is_in(users.implode()))
    known = events["user"].unique().sort().to_numpy()
    if known.size < 2:
        return None
    chosen = [str(one) for one in rng.choice(known, min(reasons, known.size), replace=False)]
    histories = histories_of(events.select("user", "item", "kind", "value", "time"), chosen, release, now)
    return trust(release.policies[policy], histories, rng, progress=progress)


def experience_in_files(
    files: Files,
    treatment: str = "",
    control: str = "",
    *,
    alpha: float = 0.05,
    loss: float = 0.02,
    sentiment: Sentiment | None = None,
    simulation: bool = False,
) -> UserExperience:
    """What the users of a log in files went through.

    Args:
        files: where the log lies.
        treatment: the variant that is judged; the last one by name where empty.
        control: what it is held against; all other variants where empty.
        alpha: the intervals' error rate.
        loss: how much worse a group may fare.
        sentiment: texts to numbers from -1 to 1, for comments.
        simulation: whether the users are made up.

    Raises:
        MissingError: a file or a variant is not there.
        DataError: a file cannot be read, or lacks a column.
    """
    decisions, twice = _once(_decisions(frame(files.decisions)))
    events = _events(frame(files.events))
    feedback = _feedback(frame(files.feedback)) if files.feedback else None
    first = float(decisions["time"].min()) if decisions.height else 0.0  # type: ignore[arg-type]
    facts = None
    if files.items:
        facts = ItemFacts(
            with_popularity(frame(files.items).with_columns(pl.col("item").cast(pl.String)), events, first)
        )
    table = weighted_answers(user_table(decisions, events, feedback, sentiment=sentiment, facts=facts), decisions)
    names = sorted(table["variant"].unique().to_list())
    if not names:
        raise DataError(f"{files.decisions} holds no slates", advice="name a file with a row per slate")
    for name in (treatment, control):
        if name and name not in names:
            raise MissingError(f"no slate has the variant '{name}'", advice=nearest(name, names))
    judged = treatment or next((one for one in reversed(names) if one != control), names[-1])
    controls = [control] if control else [one for one in names if one != judged]
    if judged in controls:
        raise SettingError(f"'{judged}' is held against itself", advice="name another control")
    groups = told(decisions) if "context" in decisions.columns else None
    if files.users:
        known = frame(files.users).with_columns(pl.col("user").cast(pl.String))
        groups = (
            known if groups is None or groups.width == 1 else known.join(groups, on="user", how="full", coalesce=True)
        )
    columns = [] if facts is None else [name for name in ("provider", "category", "brand") if facts.has(name)]
    found = user_experience(
        table, decisions, events, judged, controls, alpha, groups=groups, facts=facts, columns=columns, loss=loss,
        against=strongest(table, OUTCOMES["slate_ctr"], tuple(controls)) if controls else "",
        simulation=simulation,
    )  # fmt: skip
    return replace(found, notes=(*found.notes, twice)) if twice else found


def _once(decisions: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The slates without those whose id came before, and a sentence on these.

    Raises:
        DataError: they are so many that something counts slates twice.
    """
    kept = decisions.unique("id", keep="first", maintain_order=True)
    twice = decisions.height - kept.height
    if not twice:
        return decisions, ""
    said = f"{twice:,} slates of {decisions.height:,} have an id that came before ({twice / decisions.height:.2%})"
    if twice > TWICE * decisions.height:
        raise DataError(said, allowed=f"at most {TWICE:.0%}", advice="find what writes a slate twice")
    return kept, f"{said} and are left out"


def _decisions(table: pl.DataFrame) -> pl.DataFrame:
    """With the columns that a log may lack."""
    require(table, "decisions", ("id", "user", "time", "items"))
    if table["items"].dtype == pl.String:
        items = pl.when(pl.col("items") == "").then([]).otherwise(pl.col("items").str.split("|"))
        table = table.with_columns(items=items)
    lacking = {"variant": pl.lit(ALL), "latency": pl.lit(None, pl.Float64), "fallback": pl.lit("")}
    table = table.with_columns(**{name: value for name, value in lacking.items() if name not in table.columns})
    table = table.with_columns(pl.col("id", "user", "variant").cast(pl.String).fill_null(""))
    return _numbers(table, "decisions", ("time", "latency"))


def _events(table: pl.DataFrame) -> pl.DataFrame:
    require(table, "events", ("user", "item", "kind", "time"))
    lacking = {"value": pl.lit(None, pl.Float64), "decision": pl.lit(None, pl.String)}
    table = table.with_columns(**{name: value for name, value in lacking.items() if name not in table.columns})
    table = table.with_columns(pl.col("decision").cast(pl.String))
    if table["decision"].count():  # a log that knows of decisions, and of none for these events
        table = table.with_columns(pl.col("decision").fill_null(""))
    table = table.with_columns(pl.col("user", "item", "kind").cast(pl.String).fill_null(""))
    return _numbers(table, "events", ("time", "value"))


def _feedback(table: pl.DataFrame) -> pl.DataFrame:
    require(table, "feedback", ("user", "kind", "time"))
    lacking = {"value": pl.lit(None, pl.Float64), "text": pl.lit(""), "item": pl.lit(""), "decision": pl.lit("")}
    table = table.with_columns(**{name: value for name, value in lacking.items() if name not in table.columns})
    table = table.with_columns(pl.col("user", "kind", "text", "item", "decision").cast(pl.String).fill_null(""))
    return _numbers(table, "feedback", ("time", "value"))


def _numbers(table: pl.DataFrame, name: str, columns: tuple[str, ...]) -> pl.DataFrame:
    for column in columns:
        try:
            table = table.with_columns(pl.col(column).cast(pl.Float64))
        except pl.exceptions.PolarsError:
            raise DataError(
                f"the column {column} of the {name} holds {table[column].dtype}",
                allowed="a number; a time counts seconds since 1970",
            ) from None
    return table
