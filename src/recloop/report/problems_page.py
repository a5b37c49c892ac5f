from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from recloop.charts import Interval, Series, bars, intervals, lines
from recloop.charts.scale import Format, number, percent
from recloop.experience.problems import MEASURES, Finding, Problems
from recloop.experience.problems.words import day_of, name_of
from recloop.report.page import render

TONES = {"ship": "good", "no_problem": "good", "keep_running": "warn", "do_not_ship": "bad", "invalid": "bad"}
LIGHTS = {"green": "good", "yellow": "warn", "red": "bad"}
VERDICTS = {
    "ship": "ship it",
    "no_problem": "no problem found",
    "keep_running": "keep it running",
    "do_not_ship": "do not ship; mend it first",
    "invalid": "do not read these numbers",
}


def problems_page(found: Problems, now: float) -> str:
    """The page of ``recloop ux problems``: the sentence first, then one section per problem.

    Args:
        found: the report.
        now: seconds since 1970.

    >>> from recloop.experience.problems import Problems
    >>> nothing = Problems(verdict="no_problem", sentence="No <b>problem</b>.", compared="time against time", slates=1,
    ...     users=1, days=("2025-11-01", "2025-11-02"), alpha=0.01)
    >>> "No &lt;b&gt;problem&lt;/b&gt;." in problems_page(nothing, 0.0)
    True
    """
    values = {
        "title": "Where users were served worse",
        "tone": TONES[found.verdict],
        "verdict": VERDICTS[found.verdict],
        "report": found,
        "tiles": _tiles(found),
        "problems": [_problem(one, found.findings) for one in found.primary],
        "health": [{"tone": LIGHTS[one.light], "check": one} for one in found.health],
    }
    return render("problems.html", values, kind="problem finder", now=now, simulation=found.simulation)


def _tiles(found: Problems) -> list[dict[str, str]]:
    tiles = [
        {"value": f"{len(found.primary):,}", "label": "problems" if len(found.primary) != 1 else "problem"},
        {"value": f"{found.slates:,}", "label": "slates"},
        {"value": f"{found.users:,}", "label": "users"},
        {"value": f"{day_of(found.days[0])} – {day_of(found.days[1])}", "label": found.compared},
    ]
    if found.tests:
        tiles.append({"value": f"{found.tests:,}", "label": f"tests, of {found.slices:,} slices"})
    return tiles


def _problem(one: Finding, findings: Sequence[Finding]) -> dict[str, Any]:
    follows = [other for other in findings if other.because_of == one.id]
    return {
        "finding": one,
        "name": f"{one.title[0].upper()}{one.title[1:]}, {name_of(one.slice)}",
        "since": f"since {day_of(one.change_day)}" if one.change_day else "",
        "plots": [*_over_time(one), *_effects(one, follows), *_places(one)],
        "follows": follows,
    }


def _over_time(one: Finding) -> list[dict[str, Any]]:
    days = one.series.days
    if len(days) < 3:
        return []
    x = list(range(len(days)))
    inside = name_of(one.slice)
    both = ((inside, one.series.inside, "bad"), ("elsewhere", one.series.outside, "quiet"))
    drawn = [(label, y, tone) for label, y, tone in both if y]
    series = []
    for label, y, tone in drawn:
        there = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
        series.append(Series(label, [a for a, _ in there], [b for _, b in there], tone=tone))
    if not all(part.x for part in series):
        return []
    if one.change_day in days:
        at = days.index(one.change_day)
        values = [v for part in series for v in part.y]
        series.append(Series(day_of(one.change_day), [at, at], [min(values), max(values)], tone="first"))
    last = len(days) - 1
    ticks = [(i, day_of(days[i])) for i in sorted({last // 8, last // 2, last - last // 8})]
    title = f"{one.title[0].upper()}{one.title[1:]} by day"
    svg = lines(series, title, x_ticks=ticks, form=_say(one.metric))
    return [{"svg": _own(svg), "caption": f"{title}."}]


def _say(name: str) -> Format:
    """How the values of a metric are written on an axis."""
    form = MEASURES[name].metric.form if name in MEASURES else "percent"
    if form == "percent":
        return lambda value: f"{value:.0%}" if abs(value) >= 0.1 or not value else f"{value:.1%}"
    return (lambda value: f"{value * 1000:.0f} ms") if form == "seconds" else number


def _effects(one: Finding, follows: Sequence[Finding]) -> list[dict[str, Any]]:
    rows = []
    for other in (one, *follows):
        effect = other.effect
        if effect.low is not None and effect.high is not None:
            rows.append(Interval(other.title, effect.relative, effect.low, effect.high, "bad" if other is one else ""))
    if not rows:
        return []
    svg = intervals(rows, "Change inside", reference=0.0, form=percent, limit=3.0)
    return [{"svg": _own(svg), "caption": f"Change in {name_of(one.slice)} with its 95% interval over users."}]


def _places(one: Finding) -> list[dict[str, Any]]:
    if len(one.places) < 2:
        return []
    rows = [(" × ".join(place.slice.values()), place.explained_share) for place in one.places]
    svg = bars(rows, "Part of the change that each place explains", form=lambda value: f"{value:.0%}")
    return [{"svg": _own(svg), "caption": "Part of the overall change that each description of the place explains."}]


def _own(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 -- our own picture, escaped where it was made
