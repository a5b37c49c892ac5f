"""What an override did: measured on some of the slates while they were made, and what users did before and since."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from recloop.app.own_slates import decisions_of
from recloop.experiments.words import duration, number_of
from recloop.metrics.outcomes import DAY, slate_table
from recloop.store import Store
from recloop.store.overrides import Override

LONGEST = 28 * DAY  # seconds before and since that are held against each other
CAVEAT = (
    "Before against since is no experiment: other things changed, too. "
    "Only an A/B test tells what an override does to clicks."
)


@dataclass(frozen=True, slots=True)
class OverrideEffect:
    """What an override did.

    Attributes:
        override: its id.
        slates: that were made while it held for them.
        measured: of them, those that were also made without it, by chance.
        changed: share of the measured slates that hold something else because of it; NaN where none was measured.
        places: mean number of places of a measured slate that it changed.
        exposure: mean share of a measured slate's exposure that it moved.
        shown: places in which its items stood, since it began.
        clicks: clicks on its items there.
        seconds: how long before, and since, slates are held against each other.
        before: share of slates with a click in that time before; NaN where there were none.
        since: likewise, since it began.
        slates_before: how many slates that is.
        sentence: all of it in words.
    """

    override: str
    slates: int
    measured: int
    changed: float
    places: float
    exposure: float
    shown: int
    clicks: int
    seconds: float
    before: float
    since: float
    slates_before: int
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN becomes None."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}


def override_effect(store: Store, name: str, now: float) -> OverrideEffect:
    """What an override did so far.

    Args:
        store: decisions and events.
        name: id of the override.
        now: seconds since 1970.

    Raises:
        MissingError: there is none of that id.
    """
    one = store.overrides.get(name)
    end = one.until(now)
    span = min(max(end - one.created, 1.0), LONGEST)
    start = one.created - span
    decisions = decisions_of(store, "", start).filter(pl.col("time") < end)
    decisions = decisions.filter(_meets(one))
    at = f"$.overrides['{one.id}']"
    held = decisions.filter(pl.col("details").str.json_path_match(at).is_not_null())
    did = held.select(
        places=pl.col("details").str.json_path_match(f"{at}.places").cast(pl.Float64),
        exposure=pl.col("details").str.json_path_match(f"{at}.exposure").cast(pl.Float64),
    ).drop_nulls()
    before = decisions.filter(pl.col("time") < one.created)
    events = store.events(since=start)
    mine = held.select(decision="id", item="items").explode("item").filter(pl.col("item").is_in(one.items))
    clicks = events.filter(pl.col("kind") == "click").join(mine, on=["decision", "item"], how="semi")
    found = OverrideEffect(
        override=one.id,
        slates=held.height,
        measured=did.height,
        changed=_mean(did["places"] > 0),
        places=_mean(did["places"]),
        exposure=_mean(did["exposure"]),
        shown=mine.height,
        clicks=clicks.height,
        seconds=span,
        before=_click_rate(before, events),
        since=_click_rate(held, events),
        slates_before=before.height,
        sentence="",
    )
    return replace(found, sentence=_words(found, one))


def _words(effect: OverrideEffect, one: Override) -> str:
    if not effect.slates:
        return "No slate was asked for yet for which it holds."
    said = [f"It held for {number_of('slate', effect.slates)}."]
    if effect.measured:
        said.append(
            f"Of {effect.measured:,} that were also made without it, {effect.changed:.0%} changed: "
            f"{effect.places:.2g} places and {effect.exposure:.1%} of the exposure of a slate on average."
        )
    else:
        said.append("None of them was measured yet.")
    if one.action in {"pin", "boost"}:
        said.append(f"Its items were shown {effect.shown:,} times and clicked {effect.clicks:,} times.")
    if not (math.isnan(effect.before) or math.isnan(effect.since)):
        said.append(
            f"{effect.since:.1%} of the slates had a click, against {effect.before:.1%} of {effect.slates_before:,} in "
            f"the {duration(effect.seconds)} before. {CAVEAT}"
        )
    return " ".join(said)


def _meets(one: Override) -> pl.Expr:
    met = pl.lit(value=True)
    if one.surface:
        met &= pl.col("surface") == one.surface
    for attribute, value in one.segment.items():
        told = pl.col("context").str.json_path_match(f"$['{attribute}']")
        met &= (told == value).fill_null(value=False)
    return met


def _click_rate(decisions: pl.DataFrame, events: pl.DataFrame) -> float:
    """Share of slates with a click that followed within a day."""
    if not decisions.height:
        return math.nan
    table = slate_table(decisions.with_columns(variant=pl.lit("slates")), events)
    return _mean(table["clicked_slates"].fill_null(0) > 0)


def _mean(column: pl.Series) -> float:
    mean = column.mean()
    return float(mean) if isinstance(mean, int | float) else math.nan
