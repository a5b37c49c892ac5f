"""The page of ``recloop simulate``: how near the simulator is to its log, and what policies did in it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from recloop.charts import Interval, Series, dots, intervals, lines
from recloop.charts.scale import as_share
from recloop.report.page import render
from recloop.simulate.fitted import Comparison, Fidelity, FittedWorld
from recloop.simulate.fitted.compare import METRICS, Line, totals

TONES = tuple(f"{tone}{dashes}" for dashes in ("", " dashed", " dotted") for tone in ("first", "second", "good", "bad"))
MOST_DOTS = 500
PAIRS = "Each point is a pair of popular items: the log of how much oftener one history holds both than chance has it."
AS_SHARE = ("click_rate", "churned")


def simulation_page(
    world: FittedWorld, near: Fidelity, found: Comparison, *, title: str, notes: Sequence[str], command: str, now: float
) -> str:
    """The page of one simulation.

    Args:
        world: fitted.
        near: how far it is from its log.
        found: the policies.
        title: of the page.
        notes: sentences that must be read with the numbers.
        command: that made it.
        now: seconds since 1970.
    """
    sums = totals(found)
    values = {
        "title": title,
        "notes": notes,
        "command": command,
        "tiles": [
            {"value": f"{found.users:,}", "label": "simulated users"},
            {"value": str(found.days), "label": "simulated days"},
            {"value": f"{sums['interactions']:,.0f}", "label": "items shown or taken"},
            {"value": f"{sums['per_cpu_second'] * 60 / 1e6:.1f} million", "label": "of them per CPU minute"},
        ],
        "baseline": found.baseline,
        "policies": list(found.runs),
        "metrics": list(METRICS.values()),
        "rows": [
            {"policy": name, "cells": [cell(found.line(name, metric)) for metric in METRICS]} for name in found.runs
        ],
        "effects": [
            {"svg": _effects(found, metric), "name": METRICS[metric]}
            for metric in ("clicks", "churned")
            if any(line.effect for line in found.lines if line.metric == metric)
        ],
        "staying": _staying(found),
        "measures": [
            {
                "name": one.name,
                "meaning": one.meaning,
                "value": f"{one.value:.3f}",
                "floor": "–" if np.isnan(one.floor) else f"{one.floor:.3f}",
                "better": one.better,
            }
            for one in near.measures
        ],
        "sample": f"{near.users:,}",
        "near": [{"svg": svg, "words": words} for svg, words in _near(near)],
        "known": world.known,
        "perplexities": sorted(world.judged.means.items(), key=lambda pair: pair[1]) if world.judged else [],
    }
    return render("simulation.html", values, kind="simulation fitted to a log", now=now)


def cell(line: Line) -> str:
    """A value with half of its interval, and what differs from the baseline.

    >>> from recloop.stats.means import Mean
    >>> cell(Line("p", "clicks", Mean(2.0, 1.5, 2.5, 10), None))
    '2.00 ± 0.50'
    """
    value = line.value
    if value.n == 0 or np.isnan(value.mean):
        return "–"
    if line.metric in AS_SHARE:
        return f"{100 * value.mean:.1f}% ± {50 * (value.high - value.low):.1f}"
    return f"{value.mean:.2f} ± {(value.high - value.low) / 2:.2f}"


def _effects(found: Comparison, metric: str) -> Markup:
    rows = []
    for name in found.runs:
        effect = found.line(name, metric).effect
        if effect is not None:
            bad = metric == "churned"
            tone = "quiet" if effect.low <= 0 <= effect.high else "good" if (effect.estimate > 0) != bad else "bad"
            rows.append(Interval(name, effect.estimate, effect.low, effect.high, tone))
    return _svg(intervals(rows, METRICS[metric], unit=f"difference from {found.baseline}", reference=0.0))


def _staying(found: Comparison) -> Markup:
    days = [float(day) for day in range(1, found.days + 1)]
    series = [
        Series(name, days, (ran.by_day[:, 2] / found.users).tolist(), tone=TONES[place % len(TONES)])
        for place, (name, ran) in enumerate(found.runs.items())
    ]
    return _svg(lines(series, "Users who are there", x_label="simulated day", form=as_share))


def _near(near: Fidelity) -> list[tuple[Markup, str]]:
    real, made, other = np.cumsum(np.sort(near.shares, axis=1)[:, ::-1], axis=1)
    place = np.unique(np.geomspace(1, len(real), 60).astype(int)) - 1
    x = np.log10(place + 1.0).tolist()
    whole = range(int(x[-1]) + 1)
    pictures = [
        (
            lines(
                [
                    Series("the log", x, real[place].tolist(), tone="first"),
                    Series("simulated", x, made[place].tolist(), tone="second"),
                    Series("other users of the log", x, other[place].tolist(), tone="quiet"),
                ],
                "Share of events by rank of the item",
                x_label="the most popular so many items",
                form=as_share,
                x_ticks=[(float(power), f"{10**power:,}") for power in whole],
            ),
            "Share of all events that falls on the most popular items.",
        ),
        (_lengths(near.lengths), "Share of users with at most so many events."),
        (_pairs(near.pairs), PAIRS),
        (_pairs(near.steps), "The same for items within three places after each other."),
    ]
    if near.curve is not None:
        places = [float(at) for at in range(1, len(near.curve) + 1)]
        pictures.append(
            (
                lines(
                    [
                        Series("the log", places, near.curve[:, 0].tolist(), tone="first"),
                        Series("simulated on the same slates", places, near.curve[:, 1].tolist(), tone="second"),
                    ],
                    "Click rate by place",
                    x_label="place",
                    form=as_share,
                ),
                "Clicks on what was shown, by place.",
            )
        )
    return [(_svg(picture), words) for picture, words in pictures]


def _lengths(lengths: tuple[NDArray[np.int64], NDArray[np.int64]]) -> str:
    highest = max(int(one.max(initial=1)) for one in lengths)
    at = np.unique(np.linspace(1, highest, 80).astype(int))
    series = [
        Series(label, at.astype(float).tolist(), (np.searchsorted(np.sort(one), at, side="right") / len(one)).tolist(),
               tone=tone)
        for label, one, tone in zip(("the log", "simulated"), lengths, ("first", "second"), strict=True)
    ]  # fmt: skip
    return lines(series, "Length of histories", x_label="events of a history", form=as_share)


def _pairs(pairs: NDArray[np.float64]) -> str:
    step = max(1, len(pairs) // MOST_DOTS)
    points: list[tuple[float, float]] = [(float(a), float(b)) for a, b in pairs[::step]]
    return dots(points, "Log lifts of pairs", x_label="the log", y_label="simulated") if points else ""


def _svg(text: str) -> Markup:
    return Markup(text)  # noqa: S704 -- ours: charts escape what they are given


def plain(found: Comparison, near: Fidelity, world: FittedWorld) -> dict[str, Any]:
    """Everything on the page as plain values, for JSON; NaN and infinity are null."""

    def number(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    def effect(line: Line) -> dict[str, float | None] | None:
        names = ("estimate", "low", "high", "p_value", "relative", "relative_low", "relative_high")
        return None if line.effect is None else {name: number(getattr(line.effect, name)) for name in names}

    return {
        "simulation": True,
        "days": found.days,
        "users": found.users,
        "k": found.k,
        "seed": found.seed,
        "baseline": found.baseline,
        "lines": [
            {
                "policy": line.policy,
                "metric": line.metric,
                "value": number(line.value.mean),
                "low": number(line.value.low),
                "high": number(line.value.high),
                "effect": effect(line),
            }
            for line in found.lines
        ],
        "totals": {name: number(value) for name, value in totals(found).items()},
        "seconds": {name: ran.seconds for name, ran in found.runs.items()},
        "fidelity": [
            {"name": one.name, "value": number(one.value), "floor": number(one.floor), "better": one.better}
            for one in near.measures
        ],
        "known": [
            {"name": one.name, "value": one.value, "fitted": one.fitted, "source": one.source} for one in world.known
        ],
        "clicks": {
            "model": world.clicks.name,
            "perplexity": {name: number(value) for name, value in (world.judged.means if world.judged else {}).items()},
        },
    }
