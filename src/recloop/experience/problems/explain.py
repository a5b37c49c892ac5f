"""From a hit to a finding: effect, share, what was ruled out, what follows from what."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from recloop.experience.problems.causes import Intervention
from recloop.experience.problems.clustered import Weighed
from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.mix import Mix, mix
from recloop.experience.problems.rows import Rows, contrast_of
from recloop.experience.problems.scan import Sums
from recloop.experience.problems.schema import Change, Evidence, Place, Series
from recloop.experience.problems.words import moved

WIDE = 1.959964  # standard errors of a 95% interval
STEADY = 2.5  # below which it is called unchanged


@dataclass(slots=True)
class Fact:
    """A finding in the making."""

    measure: Measure
    sums: Sums
    where: dict[str, str]
    rows: Rows
    at: int
    weights: Floats
    z: float
    effect: Change
    overall: Change | None
    share: float
    explained: float
    recovery: float
    mix: Mix
    rest: Change | None = None
    interventions: tuple[Intervention, ...] = ()
    rivals: tuple[Weighed, ...] = ()
    because: "Fact | None" = None
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def direction(self) -> str:
        """The way in which the metric moved."""
        return "down" if self.effect.after < self.effect.before else "up"


class Levels(NamedTuple):
    """Values before and after by the weights of a contrast, and what the sums of both sides are."""

    before: float
    after: float
    level: float


def levels(coded: Coded, sums: Sums, rows: Rows, weights: Floats) -> Levels:
    """The values of the cells that count as before and as after, and the pooled level."""
    at = np.flatnonzero(rows)
    y, x = (np.bincount(coded.cell[at], one[at], coded.cells) for one in (sums.y, sums.x))
    ratio = np.divide(y, x, out=np.zeros_like(y), where=x > 0)
    level = float(y.sum() / x.sum()) if x.sum() else 0.0
    values = []
    for sign in (-1, 1):
        w = np.where((sign * weights > 0) & (x > 0), np.abs(weights), 0.0)
        values.append(float((w * ratio).sum() / w.sum()) if w.sum() else level)
    return Levels(values[0], values[1], level if sums.relative and level > 0 else 1.0)


def change(coded: Coded, sums: Sums, rows: Rows, weights: Floats, log_p: float | None = None) -> Change | None:
    """The change of the rows alone, with its interval; None where they have nothing before or after."""
    value, error = contrast_of(coded, sums, rows, None, weights)
    if not error:
        return None
    found = levels(coded, sums, rows, weights)
    # the season is taken from the difference, and what was before stays what it was
    before, scale = found.before, found.level
    base = abs(before) if before else abs(found.level)
    move = value * scale
    half = WIDE * error * scale
    return Change(
        before=before,
        after=before + move,
        relative=move / base,
        low=(move - half) / base,
        high=(move + half) / base,
        p_value=None if log_p is None else math.exp(log_p),
    )


class Spot(NamedTuple):
    """Where and when to look: a slice, its rows, first cell after, weights of the cells, z and log p of the test."""

    where: dict[str, str]
    rows: Rows
    at: int
    weights: Floats
    z: float
    log_p: float | None = None


def fact(
    coded: Coded,
    measure: Measure,
    sums: Sums,
    spot: Spot,
    rivals: tuple[Weighed, ...] = (),
    because: Fact | None = None,
) -> Fact | None:
    """What there is to say about a slice; None where it has nothing before or after."""
    effect = change(coded, sums, spot.rows, spot.weights, spot.log_p)
    if effect is None:
        return None
    overall = change(coded, sums, np.ones(coded.user.size, bool), spot.weights)
    after = coded.cell >= spot.at
    share = float(sums.x[spot.rows & after].sum() / max(sums.x[after].sum(), 1e-12))
    moved_all = overall.after - overall.before if overall else 0.0
    explained = share * (effect.after - effect.before) / moved_all if moved_all else 0.0
    return Fact(
        measure=measure,
        sums=sums,
        where=spot.where,
        rows=spot.rows,
        at=spot.at,
        weights=spot.weights,
        z=spot.z,
        effect=effect,
        overall=overall,
        share=share,
        explained=1.0 if not spot.where else min(max(explained, 0.0), 1.0),
        recovery=-share * (effect.after - effect.before),
        mix=mix(coded, sums, spot.rows, spot.at, spot.where),
        rest=change(coded, sums, ~spot.rows, spot.weights) if spot.where else None,
        rivals=rivals,
        because=because,
    )


def gather(coded: Coded, one: Fact, measures: Mapping[str, Measure], date: str) -> None:
    """What speaks for a finding and what was ruled out."""
    said = one.evidence
    if one.rest is not None and one.rest.low is not None and one.rest.high is not None:
        chance = one.rest.low <= 0 <= one.rest.high
        flat = chance or abs(one.rest.relative) < 0.2 * abs(one.effect.relative)
        said.append(
            Evidence(
                topic="rest",
                supports=flat,
                sentence=f"Elsewhere it {moved(one.rest)}{', within chance' if chance else ''}.",
            )
        )
    told = f"Traffic mix explains {max(one.mix.share, 0.0):.0%}"
    told += (
        f" ({one.mix.dimension} {one.mix.moved} went from {one.mix.before:.1%} to {one.mix.after:.1%})."
        if one.mix.share > 0.05
        else "."
    )
    said.append(Evidence(topic="traffic mix", supports=one.mix.share > 0.3, sentence=told))
    for name, measure in measures.items():
        if measure.outcome or name == one.measure.metric.id or measure is one.measure:
            continue
        sums = Sums.of(coded, measure)
        value, error = contrast_of(coded, sums, one.rows, None, one.weights)
        if not error:
            continue
        worse = sums.worse * value / error > STEADY
        found = change(coded, sums, one.rows, one.weights)
        if found is not None:
            word = "became worse there" if worse else "did not become worse"
            said.append(
                Evidence(
                    topic=measure.metric.title,
                    supports=worse,
                    sentence=f"{measure.metric.title.capitalize()} {word}: {measure.metric.say(found.before)} → "
                    f"{measure.metric.say(found.after)}.",
                )
            )
    for change_ in one.interventions:
        said.append(Evidence(topic=change_.dimension, supports=True, sentence=f"{change_.sentence} ({date})."))


def places(coded: Coded, one: Fact) -> tuple[Place, ...]:
    """Rival descriptions of where it sits, ranked by explained share, then few values, then surprise.

    Source: R. Bhagwan and others, "Adtributor: revenue debugging in advertising systems", NSDI 2014, sections 4.2, 4.3.
    """
    after = coded.cell >= one.at
    sums = one.sums
    total = [(float(sums.y[s].sum()), float(sums.x[s].sum())) for s in (~after, after)]
    whole = one.overall.after - one.overall.before if one.overall else 0.0
    found = []
    for where, rows in ((one.where, one.rows), *((rival.where, rival.rows) for rival in one.rivals)):
        effect = one.effect if rows is one.rows else change(coded, sums, rows, one.weights)
        move = effect.after - effect.before if effect else 0.0
        share = float(sums.x[rows & after].sum()) / max(total[1][1], 1e-12)
        explained = share * move / whole if whole else 0.0
        p, q = (float(sums.y[rows & s].sum()) / max(t[0], 1e-12) for s, t in zip((~after, after), total, strict=True))
        found.append(Place(slice=where, explained_share=min(max(explained, 0.0), 1.0), surprise=surprise(p, q)))
    first, *rest = found
    return (
        first,
        *sorted(rest, key=lambda place: (-round(place.explained_share, 1), len(place.slice), -place.surprise)),
    )


def surprise(p: float, q: float) -> float:
    """Jensen-Shannon divergence of one part, in nats.

    >>> round(surprise(0.5, 0.1), 3), surprise(0.2, 0.2)
    (0.073, 0.0)
    """
    terms = [0.5 * v * math.log(2 * v / (p + q)) for v in (p, q) if v > 0]
    return sum(terms)


def series(coded: Coded, one: Fact) -> Series:
    """The metric by day inside and outside."""
    lines = []
    for rows in (one.rows, ~one.rows):
        at = np.flatnonzero(rows)
        y, x = (np.bincount(coded.day[at], column[at], int(coded.day.max()) + 1) for column in (one.sums.y, one.sums.x))
        lines.append(tuple(float(a / b) if b > 0 else None for a, b in zip(y, x, strict=True)))
    days = tuple(coded.date(k) for k in range(len(lines[0])))
    return Series(days=days, inside=lines[0], outside=lines[1] if one.where else ())
