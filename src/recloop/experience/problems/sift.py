"""What is left of the hits: traffic that moved, a novelty that wears off and what a guardrail tolerates are none."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from recloop.experience.problems.contrast import Step
from recloop.experience.problems.explain import Fact, Spot, fact
from recloop.experience.problems.findings import Context
from recloop.experience.problems.items import SMALLEST, exposures
from recloop.experience.problems.margin import tolerable
from recloop.experience.problems.scan import Sums, overdispersion
from recloop.experience.problems.search import Hit, Search
from recloop.experience.problems.shape import shape
from recloop.experience.problems.thresholds import Family, Thresholds
from recloop.experience.problems.words import moved, name_of

MIX = 0.5  # part of a change that traffic explains from which it is traffic


@dataclass(frozen=True, slots=True)
class Sifted:
    """The findings in the making, what was seen and is none, and how many tests were made."""

    facts: list[Fact]
    notes: tuple[str, ...]
    tests: int


def sift(context: Context, search: Search, shown: pl.DataFrame | None) -> Sifted:
    """The slices that explain a change of their own."""
    coded, settings = context.coded, context.settings
    families = list(search.families)
    exposed = []
    if shown is not None:
        exposed = exposures(coded, context.table["decision"], shown, context.contrast, settings)
        tests = [np.array(one) for one in zip(*((x.tested.log_p, x.tested.detail) for x in exposed), strict=True)]
        if tests:
            families.append(Family(tests[0], np.zeros(len(exposed), np.int64), tests[1]))
    bounds = Thresholds(families, settings.alpha, settings.depth)
    hits = search.hits(bounds)
    hits += [
        Hit(one.sums.measure, one.sums, one.tested, ())
        for one in exposed
        if one.tested.own * one.sums.worse >= SMALLEST and one.tested.log_p <= bounds.cut(0, one.tested.detail)
    ]
    names = {id(one.tested): one.where for one in exposed}
    good = bounds.final([(one.tested.log_p, len(one.tested.where), one.tested.detail) for one in hits])
    facts, notes = [], []
    for hit, counts in zip(hits, good.tolist(), strict=True):
        if not counts:
            continue
        one, name = hit.tested, hit.measure.metric.id
        sums = Sums.of(coded, hit.measure) if name in coded.sums else hit.sums  # peeled rows count again
        spot = Spot(names.get(id(one), one.where), one.rows, one.at, one.weights, one.z, one.log_p)
        found = fact(coded, hit.measure, sums, spot, hit.rivals)
        if found is None:
            continue
        reason = _harmless(context, hit, found)
        if reason:
            notes.append(reason)
        else:
            facts.append(found)
    return Sifted(facts, tuple(notes), bounds.tests)


def _harmless(context: Context, hit: Hit, found: Fact) -> str:
    """Why it is no problem; empty where it is one."""
    when = f" from {context.coded.date(found.at)}" if isinstance(context.contrast, Step) else ""
    what = f"{found.measure.metric.title}, {name_of(found.where)}: {moved(found.effect)}{when}"
    if found.mix.share >= MIX:
        mix = found.mix
        return (
            f"{what}. Traffic, no regression: {mix.share:.0%} of it is that {mix.dimension} {mix.moved} went from "
            f"{mix.before:.1%} to {mix.after:.1%}."
        )
    if reason := tolerable(found, context.settings):
        return f"{what}, {reason}"
    if isinstance(context.contrast, Step):
        one = hit.tested
        values, variance = one.inside.ratio / one.inside.level[:, None], one.inside.variance
        if one.outside is not None:
            values = values - one.outside.ratio / one.outside.level[:, None]
            variance = variance + one.outside.variance
        precision = 1 / variance[0]
        values = np.where(precision > 0, values[0], 0.0)
        fit = context.contrast.fit(values[None], precision[None], hit.sums.worse)
        noise = overdispersion(float(fit.rest[0]), fit.free)
        found_shape = shape(context.contrast, values, precision, one.at, hit.sums.worse, noise)
        if found_shape == "novelty":
            return f"{what}. No problem of that day: it had jumped before, and the novelty wears off."
        if found_shape == "trend":
            return f"{what}. No day of change: it slides slowly over the whole time. Watch it."
    return ""
