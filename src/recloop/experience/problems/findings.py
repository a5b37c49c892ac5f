"""From what was found out to the values of the schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from msgspec.structs import replace

from recloop.experience.problems.causes import cause_of, interventions
from recloop.experience.problems.clustered import Weighed
from recloop.experience.problems.coded import DAY, Coded
from recloop.experience.problems.contrast import Contrast
from recloop.experience.problems.explain import Fact, gather, places, series
from recloop.experience.problems.items import ATTACK, attacks
from recloop.experience.problems.margin import margin
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.said import Words
from recloop.experience.problems.schema import Cause, Change, Evidence, Finding, Said, finding_id
from recloop.experience.problems.settings import Settings
from recloop.experience.problems.words import day_of, sentence

CLEAR = 2.0  # standard errors by which the whole must have moved to be spoken of first


@dataclass(frozen=True, slots=True)
class Context:
    """All that findings are made from."""

    coded: Coded
    table: pl.DataFrame
    settings: Settings
    measures: Mapping[str, Measure]
    contrast: Contrast
    comments: pl.DataFrame | None
    words: Words

    @property
    def arms(self) -> bool:
        """Whether arms are compared."""
        return self.settings.treatment is not None


def findings(context: Context, facts: Sequence[Fact], wholes: Mapping[str, Weighed]) -> list[Finding]:
    """The findings: each primary one with its consequences behind it, the largest first."""
    clicks = wholes.get("slate_ctr")
    clicks_up = clicks is not None and clicks.own > 0 and clicks.own > CLEAR * clicks.own_error
    ids = {id(one): _id(one) for one in facts}
    primary = sorted((one for one in facts if one.because is None), key=_weight, reverse=True)
    ordered = [other for one in primary for other in (one, *(x for x in facts if x.because is one))]
    return [_finding(context, one, ids, clicks_up=clicks_up) for one in ordered]


def _id(one: Fact) -> str:
    return finding_id(one.measure.metric.id, one.where, one.direction)


def _weight(one: Fact) -> float:
    """How much it matters: the part of the slates, times how far the value moved."""
    return one.share * min(abs(one.effect.relative), 1.0)


def _finding(context: Context, one: Fact, ids: Mapping[int, str], *, clicks_up: bool) -> Finding:
    coded, settings = context.coded, context.settings
    day = None if context.arms else coded.date(one.at)
    begun = () if context.arms else interventions(coded, one.rows, one.at)
    one.interventions = tuple(x for x in begun if x.dimension not in one.where)
    gather(coded, one, context.measures, day_of(day) if day else "")
    if allowed := margin(one, settings):
        one.evidence.append(
            Evidence(topic="margin", supports=True, sentence=f"More than the {allowed.words} that are tolerated.")
        )
    ratio = one.effect.after / one.effect.before if one.effect.before else 1.0
    cause, advice = cause_of(one.measure, one.where, ratio, one.interventions, settings.treatment, clicks_up=clicks_up)
    because = ids[id(one.because)] if one.because is not None else ""
    found = Finding(
        id=ids[id(one)],
        metric=one.measure.metric.id,
        title=one.measure.metric.title,
        direction="up" if one.direction == "up" else "down",
        slice=one.where,
        share=one.share,
        change_day=day,
        effect=one.effect,
        overall=one.overall,
        explained_share=one.explained,
        evidence=tuple(one.evidence),
        cause=cause,
        kind="consequence" if because else "primary",
        because_of=because,
        verdict="invalid" if cause.layer == "logging" else "do_not_ship",
        said=Said() if because else _said(context, one),
        places=places(coded, one) if one.where and one.measure.metric.id != "exposure" else (),
        advice=advice,
        recovery=one.recovery,
        series=series(coded, one),
    )
    whole = one.overall
    clear = whole is not None and whole.low is not None and whole.high is not None and not whole.low <= 0 <= whole.high
    same = whole is not None and whole.relative * one.effect.relative > 0
    return replace(found, sentence=sentence(found, one.measure, treatment=settings.treatment, clear=clear and same))


def _said(context: Context, one: Fact) -> Said:
    """What the users of the slice wrote after the change, against all others."""
    if context.comments is None or not context.comments.height:
        return Said()
    after = one.rows & (context.coded.cell >= one.at)
    at = pl.Series(np.flatnonzero(after))
    users = context.table[at]["user"].unique()
    comments = context.comments.with_columns(pl.col("user").cast(pl.String), pl.col("time").cast(pl.Float64))
    since = -np.inf if context.arms else (context.coded.first_day + one.at) * DAY
    inside = pl.col("user").is_in(users.implode()) & (pl.col("time") >= since)
    return context.words(comments.filter(inside), comments.filter(~inside))


def attack_findings(context: Context, events: pl.DataFrame) -> list[Finding]:
    """Items that are pushed, as findings."""
    coded = context.coded
    first, last = coded.first_day * DAY, (coded.first_day + int(coded.day.max()) + 1) * DAY
    found = []
    for burst, day in attacks(events, first, last):
        where = {"item": str(burst.who)}
        one = Finding(
            id=finding_id("attack", where, "up"),
            metric="attack",
            title=ATTACK.metric.title,
            direction="up",
            slice=where,
            share=0.0,
            change_day=day,
            effect=Change(
                before=burst.expected,
                after=float(burst.users),
                relative=burst.users / max(burst.expected, 1.0) - 1,
            ),
            explained_share=1.0,
            cause=Cause(
                layer="content",
                what=ATTACK.what,
                sentence="New users came to this item alone, and established users did not.",
            ),
            advice="keep these events from training (quarantine), then rebuild what learned from them",
        )
        found.append(replace(one, sentence=sentence(one, ATTACK, treatment=None, clear=False)))
    return found
