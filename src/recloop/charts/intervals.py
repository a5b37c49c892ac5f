import math
from collections.abc import Sequence
from dataclasses import dataclass

from recloop.charts.scale import Format, Scale, number
from recloop.charts.svg import WIDTH, element, picture, shorten, text

ROW, LINE, TOP, LABEL, VALUE = 26, 14, 10, 150, 66


@dataclass(frozen=True, slots=True)
class Interval:
    """One row: a value with its interval. A ``label`` may have several lines.

    ``tone`` is a CSS class: good, bad, quiet, first or "".
    """

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    tone: str = ""


def intervals(
    rows: Sequence[Interval],
    title: str,
    *,
    unit: str = "",
    reference: float | None = None,
    limit: float = math.inf,
    form: Format = number,
) -> str:
    """Values with their intervals, one row each: a leaderboard, or a forest plot where there is a reference line.

    An end of an interval that is infinite or beyond ``limit`` is drawn to the edge with an arrow, so that one wide row
    does not flatten the others.

    >>> "ease" in intervals([Interval("ease", 0.3, 0.28, 0.32)], "NDCG")
    True
    """
    left, right = LABEL, WIDTH - VALUE
    ends = [v for row in rows for v in (row.value, row.low, row.high) if abs(v) <= limit]
    ends += [reference] if reference is not None else []
    scale = Scale.over(ends, left + 6, right - 6)
    high = ROW + LINE * max((row.label.count("\n") for row in rows), default=0)
    bottom = TOP + high * len(rows)
    parts = []
    for tick in scale.ticks(4):
        x = scale(tick)
        parts += [
            element("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="grid"),
            text(x, bottom + 15, form(tick), "tick", "middle"),
        ]
    if reference is not None:
        x = scale(reference)
        parts.append(element("line", x1=x, x2=x, y1=TOP - 4, y2=bottom, class_="reference"))
    for place, row in enumerate(rows):
        y = TOP + high * (place + 0.5)
        tone = f"mark {row.tone}".strip()
        words = row.label.split("\n")
        first = y + 4 - LINE * (len(words) - 1) / 2
        for line, said in enumerate(words):
            parts.append(text(0, first + LINE * line, shorten(said, 23), "tick" if line else "label"))
        if not (math.isnan(row.low) or math.isnan(row.high)):
            start, stop = (min(max(scale(v), left), right) if abs(v) <= limit else _edge(v, left, right)
                           for v in (row.low, row.high))  # fmt: skip
            parts.append(element("line", x1=start, x2=stop, y1=y, y2=y, class_=f"whisker {row.tone}".strip()))
            for bound, at in ((row.low, start), (row.high, stop)):
                if abs(bound) > limit or math.isinf(bound):
                    way = 1 if bound > 0 else -1
                    points = f"{at + 5 * way:.1f},{y:.1f} {at:.1f},{y - 4:.1f} {at:.1f},{y + 4:.1f}"
                    parts.append(element("polygon", points=points, class_=tone))
        if abs(row.value) <= limit:
            parts.append(element("circle", cx=scale(row.value), cy=y, r=4.5, class_=tone))
        parts.append(text(WIDTH, y + 4, form(row.value), "value", "end"))
    if unit:
        parts.append(text((left + right) / 2, bottom + 31, unit, "tick", "middle"))
    return picture(parts, bottom + (38 if unit else 22), title)


def _edge(value: float, left: float, right: float) -> float:
    return right if value > 0 else left
