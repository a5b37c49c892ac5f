import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from recloop.charts.scale import Format, Scale, number
from recloop.charts.svg import WIDTH, element, picture, shorten, text

HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 240, 52, 26, 40, 18


@dataclass(frozen=True, slots=True)
class Series:
    """One line over x, with an optional band. ``tone`` is a CSS class: first, second, good, bad, quiet; with
    ``dashed`` or ``dotted`` after it where there are more lines than colours.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = field(default_factory=tuple)
    high: Sequence[float] = field(default_factory=tuple)
    tone: str = "first"


def lines(
    series: Sequence[Series],
    title: str,
    *,
    x_label: str = "",
    y_label: str = "",
    reference: float | None = None,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    form: Format = number,
) -> str:
    """Lines over x with their bands: a lift as it grew, events per day.

    Bands that reach far beyond the line's later course are cut at the edge, so that the first noisy days do not
    flatten the rest.

    >>> "lift" in lines([Series("lift", [0, 1], [0.1, 0.2])], "t")
    True
    """
    legend, rows = _legend(series)
    top = TOP + LEGEND * (rows - 1)
    height = HEIGHT + LEGEND * (rows - 1)
    floor = height - BOTTOM
    xs = [v for s in series for v in s.x]
    settled = [
        v for s in series for band in (s.y, s.low[len(s.low) // 4 :], s.high[len(s.high) // 4 :]) for v in band
    ] + ([reference] if reference is not None else [])
    x_scale = Scale(min(xs, default=0.0), max(max(xs, default=1.0), min(xs, default=0.0) + 1e-9), LEFT + 4, WIDTH - 12)
    y_scale = Scale.over(settled, floor - 4, top)
    parts = []
    for tick in y_scale.ticks():
        y = y_scale(tick)
        parts += [
            element("line", x1=LEFT, x2=WIDTH, y1=y, y2=y, class_="grid"),
            text(LEFT - 6, y + 4, form(tick), "tick", "end"),
        ]
    for at, words in x_ticks if x_ticks is not None else [(t, number(t)) for t in x_scale.ticks()]:
        parts.append(text(x_scale(at), floor + 15, words, "tick", "middle"))
    if reference is not None:
        y = y_scale(reference)
        parts.append(element("line", x1=LEFT, x2=WIDTH, y1=y, y2=y, class_="reference"))

    def place(x: float, y: float) -> str:
        return f"{x_scale(x):.1f},{min(max(y_scale(y), top - 6), floor):.1f}"

    for one in series:
        if one.low:
            inside = [
                (x, lo, hi)
                for x, lo, hi in zip(one.x, one.low, one.high, strict=True)
                if math.isfinite(lo) and math.isfinite(hi)
            ]
            edge = [place(x, hi) for x, _, hi in inside] + [place(x, lo) for x, lo, _ in reversed(inside)]
            parts.append(element("polygon", points=" ".join(edge), class_=f"band {one.tone}"))
        path = [place(x, y) for x, y in zip(one.x, one.y, strict=True) if math.isfinite(y)]
        parts.append(element("polyline", points=" ".join(path), class_=f"line {one.tone}"))
    parts += [*legend, text((LEFT + WIDTH) / 2, height - 6, x_label, "tick", "middle")]
    if y_label:
        middle = (top + floor) / 2
        parts.append(
            element(
                "text",
                y_label,
                x=11,
                y=middle,
                text_anchor="middle",
                class_="tick",
                transform=f"rotate(-90 11 {middle:g})",
            )
        )
    return picture(parts, height, title)


def _legend(series: Sequence[Series]) -> tuple[list[str], int]:
    """Names beside a piece of their line, in as many rows as they need."""
    parts, at, row = [], float(LEFT), 0
    for one in series:
        words = shorten(one.label, 48)
        wide = 34 + 6.6 * len(words)
        if at > LEFT and at + wide > WIDTH:
            at, row = float(LEFT), row + 1
        y = 10 + LEGEND * row
        parts += [
            element("line", x1=at, x2=at + 16, y1=y, y2=y, class_=f"line {one.tone}"),
            text(at + 21, y + 4, words, "label"),
        ]
        at += wide
    return parts, row + 1
