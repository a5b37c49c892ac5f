"""The problem finder on what the store holds, or on files from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import polars as pl
from msgspec.structs import replace

from recloop.app.own_slates import decisions_of, with_guests
from recloop.app.read_once import Readable, ReadOnce, read_once
from recloop.errors import DataError, MissingError, SettingError
from recloop.experience.problems import Joins, Problems, Settings, find_problems, keywords, unless_praise
from recloop.experience.strongest import strongest
from recloop.experiments import Experiment
from recloop.metrics.online import OUTCOMES
from recloop.metrics.outcomes import AGAIN, DAY, OutcomeKinds, slate_table, with_users
from recloop.metrics.outcomes.log import Sentiment
from recloop.progress import SILENT, Progress
from recloop.store import Store

DAYS = 28.0  # that are looked at: four of each weekday
BEFORE = 28.0  # days before an experiment whose slates tell what its users did earlier
BOUGHT = 180.0  # days before the first slate in which a purchase counts as already had
PREFIXES = ("profile.", "context.")


@dataclass(frozen=True, slots=True)
class Wish:
    """What to look at in a store.

    Attributes:
        experiment: whose arms are compared; "" for time against time.
        treatment: the variant that is judged; the first treatment of the experiment where empty.
        control: what it is held against; where empty, the control that does best on the primary metric.
        days: how far to look back; in an experiment all of it is read.
        settings: how to look.
    """

    experiment: str = ""
    treatment: str = ""
    control: str = ""
    days: float = DAYS
    settings: Settings = field(default_factory=Settings)


def problems_in_store(
    store: Store | ReadOnce,
    wish: Wish,
    now: float,
    *,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    sentiment: Sentiment | None = None,
    progress: Progress = SILENT,
) -> Problems:
    """Look for problems in the decisions and events of a store.

    Args:
        store: the log.
        wish: what to look at.
        now: seconds since 1970.
        users: user, and columns that make slices.
        items: item, and one column that names its provider.
        sentiment: texts to numbers from -1 to 1: praise is not told as what people say of a problem.
        progress: shows how far it is.

    Raises:
        MissingError: there is no such experiment, or no decision.
        SettingError: the experiment has no such variant.
    """
    settings, window, lately = wish.settings, DAY, None
    if wish.experiment:
        experiment = Experiment.parse(store.experiments.get(wish.experiment).definition)
        settings, window = _arms(experiment, wish), experiment.window
        first = store.first_decision(wish.experiment)
        since = now if first is None else first
        log = read_once(store, since - BEFORE * DAY, since - BOUGHT * DAY)
        decisions = decisions_of(log, wish.experiment, since).filter(pl.col("variant") != "", ~pl.col("forced"))
    else:
        since = now - wish.days * DAY
        log = read_once(store, since - AGAIN, since - BOUGHT * DAY)
        everyone = pl.when(pl.col("variant") == "").then(pl.lit("(none)")).otherwise(pl.col("variant"))
        decisions = with_guests(log.decisions(since=since)).with_columns(variant=everyone)
        lately = log.decisions(since=since - AGAIN, until=since).with_columns(variant=pl.lit(""))
    if not decisions.height:
        raise MissingError("the store holds no slates of that time", advice="name more days, or another experiment")
    history, feedback = log.events(since=since - BOUGHT * DAY), log.feedback(since=since)
    events = history.filter(pl.col("time") >= since)
    counted = history.filter((pl.col("time") >= since) | pl.col("kind").is_in(OutcomeKinds().purchase))
    table = _slates(decisions, lately, counted, feedback, window, users)
    if wish.experiment and not wish.control:
        settings = replace(settings, control=strongest(table, OUTCOMES[experiment.primary], experiment.controls))
    comments = feedback.filter(pl.col("text") != "").select("id", "user", "time", "text")
    joins = _joins(decisions, events)
    return find_problems(
        table,
        settings,
        comments=comments,
        events=events.filter(pl.col("item") != ""),
        shown=_shown(decisions, items),
        earlier=_earlier(log, decisions, since, window) if wish.experiment else None,
        joins=joins,
        words=keywords if sentiment is None else unless_praise(keywords, sentiment),
        now=now,
        progress=progress,
    )


def problems_in_files(
    slates: Path,
    settings: Settings,
    *,
    comments: Path | None = None,
    events: Path | None = None,
    shown: Path | None = None,
    earlier: Path | None = None,
    sentiment: Sentiment | None = None,
    simulation: bool = False,
    progress: Progress = SILENT,
) -> Problems:
    """Look for problems in Parquet or CSV files: one row per slate, as ``find_problems`` reads them.

    Raises:
        MissingError: a file is not there.
        DataError: it cannot be read.
    """
    return find_problems(
        frame(slates),
        settings,
        comments=frame(comments) if comments else None,
        events=frame(events) if events else None,
        shown=frame(shown) if shown else None,
        earlier=frame(earlier) if earlier else None,
        words=keywords if sentiment is None else unless_praise(keywords, sentiment),
        simulation=simulation,
        progress=progress,
    )


def frame(file: Path) -> pl.DataFrame:
    """A Parquet or CSV file.

    Raises:
        MissingError: it is not there.
        DataError: it cannot be read.
    """
    if not file.is_file():
        raise MissingError(f"there is no file {file}", advice="name a Parquet or CSV file")
    try:
        return pl.read_parquet(file) if file.suffix in {".parquet", ".pq"} else pl.read_csv(file)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}", allowed="Parquet or CSV") from None


def _arms(experiment: Experiment, wish: Wish) -> Settings:
    treatment = wish.treatment or experiment.treatments[0]
    control = wish.control or experiment.controls[0]
    weights = experiment.weights
    for name in (treatment, control):
        if name not in weights:
            raise SettingError(f"the experiment has no variant '{name}'", allowed=f"one of {', '.join(weights)}")
    margins = {
        one.metric: (one.margin, one.scale or OUTCOMES[one.metric].margin_scale)
        for one in experiment.guardrails
        if one.margin is not None and one.against in {"", control}
    }
    return replace(wish.settings, treatment=treatment, control=control, weights=dict(weights), margins=margins)


def _slates(
    decisions: pl.DataFrame,
    lately: pl.DataFrame | None,
    events: pl.DataFrame,
    feedback: pl.DataFrame,
    window: float,
    users: pl.DataFrame | None,
) -> pl.DataFrame:
    """One row per slate with all that makes slices; what was shown ``lately``, before them, counts as shown already."""
    known = decisions if lately is None else pl.concat([lately, decisions.select(lately.columns)])
    table = slate_table(known, events, window, feedback=feedback)
    if lately is not None:  # in the first week of a log nobody knows what was shown before
        known_from = pl.col("first") >= known["time"].min() + AGAIN  # type: ignore[operator]
        table = table.with_columns(repeats=pl.when(known_from).then("repeats"))
    facts = decisions.select("release", "policy", "surface", decision="id", context="context")
    table = table.join(facts, on="decision", how="left", maintain_order="left")
    table = _with_context(table)
    return table if users is None else with_users(table, users)


def _earlier(log: Readable, decisions: pl.DataFrame, since: float, window: float) -> pl.DataFrame | None:
    """The slates that an experiment's users had in the weeks before it; None where there were none."""
    start = since - BEFORE * DAY
    before = with_guests(log.decisions(since=start, until=since))
    before = before.join(decisions.select("user").unique(), on="user", how="semi")
    if not before.height:
        return None
    events, feedback = log.events(since=start, until=since), log.feedback(since=start, until=since)
    return slate_table(before.with_columns(variant=pl.lit("before")), events, window, feedback=feedback)


def _with_context(table: pl.DataFrame) -> pl.DataFrame:
    """What the requests told of user and moment, as columns; each text is read once."""
    texts = table["context"].unique().drop_nulls().to_list()
    told = {text: msgspec.json.decode(text) if text else {} for text in texts}
    keys = sorted({key for one in told.values() for key in one})
    names = _names(keys, table.columns)
    columns = {
        name: [None if key not in one else str(one[key]) for one in told.values()] for key, name in names.items()
    }
    known = pl.DataFrame({"context": list(told), **columns}, schema_overrides=dict.fromkeys(columns, pl.String))
    return table.join(known, on="context", how="left", maintain_order="left").drop("context")


def _names(keys: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """Keys without their prefix, where that is clear."""
    short = {key: next((key.removeprefix(p) for p in PREFIXES if key.startswith(p)), key) for key in keys}
    all_short = list(short.values())
    return {key: name if all_short.count(name) == 1 and name not in taken else key for key, name in short.items()}


def _joins(decisions: pl.DataFrame, events: pl.DataFrame) -> Joins:
    named = events.filter(pl.col("decision").fill_null("") != "")
    shown = decisions.select(decision="id", item="items").explode("item")
    return Joins(named.height, named.join(shown, on=["decision", "item"], how="semi").height)


def _shown(decisions: pl.DataFrame, items: pl.DataFrame | None) -> pl.DataFrame | None:
    if items is None:
        return None
    places = decisions.select(decision="id", item="items").explode("item").drop_nulls("item")
    return places.join(items.with_columns(pl.col("item").cast(pl.String)), on="item", how="inner").drop("item")
