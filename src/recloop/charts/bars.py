from collections.abc import Sequence

from recloop.charts.scale import Format, Scale, number
from recloop.charts.svg import WIDTH, element, picture, shorten, text

ROW, TOP, LABEL, VALUE = 24, 6, 132, 62


def bars(rows: Sequence[tuple[str, float]], title: str, *, form: Format = number, tone: str = "first") -> str:
    """Horizontal bars from zero, one labelled row each.

    >>> "views" in bars([("views", 120.0), ("clicks", 30.0)], "Events")
    True
    """
    scale = Scale.over([value for _, value in rows], LABEL, WIDTH - VALUE, zero=True)
    parts = []
    for place, (label, value) in enumerate(rows):
        y = TOP + ROW * place
        start, stop = sorted((scale(0.0), scale(value)))
        parts += [
            text(0, y + 16, shorten(label, 20), "label"),
            element("rect", x=start, y=y + 4, width=max(stop - start, 0.5), height=ROW - 8, rx=2, class_=f"bar {tone}"),
            text(stop + 6, y + 16, form(value), "value"),
        ]
    return picture(parts, TOP + ROW * len(rows) + 4, title)
