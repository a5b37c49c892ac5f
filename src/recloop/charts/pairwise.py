from collections.abc import Sequence

from recloop.charts.scale import Format, Scale, number
from recloop.charts.svg import WIDTH, element, picture, shorten, text

ROW, TOP, LABEL, VALUE = 26, 28, 132, 84


def pairs(
    rows: Sequence[tuple[str, float, float, str]], title: str, *, first: str, second: str, form: Format = number
) -> str:
    """Two values a row, joined by a line: what something earns and what it gets.

    Args:
        rows: (label, first value, second value, CSS class of the second).
        title: for readers who hear the page.
        first: name of the first values, drawn hollow.
        second: name of the second values, drawn full.
        form: how values are written.

    >>> "books" in pairs([("books", 0.3, 0.2, "bad")], "t", first="merit", second="exposure")
    True
    """
    left, right = LABEL, WIDTH - VALUE
    scale = Scale.over([v for _, a, b, _ in rows for v in (a, b)], left + 6, right - 6, zero=True)
    bottom = TOP + ROW * len(rows)
    parts = [
        element("circle", cx=LABEL + 6, cy=10, r=4.5, class_="hollow"),
        text(LABEL + 16, 14, first, "tick"),
        element("circle", cx=LABEL + 86, cy=10, r=4.5, class_="mark quiet"),
        text(LABEL + 96, 14, second, "tick"),
    ]
    for tick in scale.ticks(4):
        x = scale(tick)
        parts += [
            element("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="grid"),
            text(x, bottom + 15, form(tick), "tick", "middle"),
        ]
    for place, (label, one, other, tone) in enumerate(rows):
        y = TOP + ROW * (place + 0.5)
        parts += [
            text(0, y + 4, shorten(label, 20), "label"),
            element("line", x1=scale(one), x2=scale(other), y1=y, y2=y, class_=f"whisker {tone}".strip()),
            element("circle", cx=scale(one), cy=y, r=4.5, class_="hollow"),
            element("circle", cx=scale(other), cy=y, r=4.5, class_=f"mark {tone}".strip()),
            text(WIDTH, y + 4, f"{form(one)} → {form(other)}", "value", "end"),
        ]
    return picture(parts, bottom + 22, title)
