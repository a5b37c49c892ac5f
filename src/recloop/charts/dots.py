import math
from collections.abc import Sequence
from itertools import pairwise

from recloop.charts.scale import Format, Scale, number
from recloop.charts.svg import WIDTH, element, picture, shorten, text

HEIGHT, LEFT, TOP, BOTTOM = 240, 64, 14, 40


def dots(
    points: Sequence[tuple[float, float]],
    title: str,
    *,
    x_label: str,
    y_label: str,
    first: int | None = None,
    best: Sequence[tuple[float, float]] = (),
    log: bool = False,
    names: Sequence[str] = (),
    form: Format = number,
) -> str:
    """Many unnamed points: a value over trials, or over one setting.

    Args:
        points: (x, y) each.
        title: for readers who hear the page.
        x_label: below.
        y_label: at the left.
        first: which of the points stands out.
        best: corners of a staircase over the points, from left to right.
        log: whether each order of magnitude of x gets the same room; x is then above 0.
        names: where x counts from 0 through these words, the words.
        form: how values are written.

    >>> "reg" in dots([(1.0, 0.2), (100.0, 0.3)], "t", x_label="reg", y_label="ndcg@10", log=True)
    True
    """
    floor = HEIGHT - BOTTOM
    place = math.log10 if log else float
    x_scale = Scale.over([place(x) for x, _ in points], LEFT + 6, WIDTH - 12)
    y_scale = Scale.over([y for _, y in points], floor - 4, TOP + 4)
    parts = []
    for tick in y_scale.ticks():
        y = y_scale(tick)
        parts += [
            element("line", x1=LEFT, x2=WIDTH, y1=y, y2=y, class_="grid"),
            text(LEFT - 6, y + 4, form(tick), "tick", "end"),
        ]
    for at, words in _ticks(x_scale, log=log, names=names):
        parts.append(text(x_scale(at), floor + 15, words, "tick", "middle"))
    if best:
        corners = [(x_scale(place(x)), y_scale(y)) for x, y in best]
        path = [f"{corners[0][0]:.1f},{corners[0][1]:.1f}"]
        path += [f"{x:.1f},{old:.1f} {x:.1f},{y:.1f}" for (_, old), (x, y) in pairwise(corners)]
        parts.append(element("polyline", points=" ".join(path), class_="front"))
    order = sorted(range(len(points)), key=lambda one: one == first)  # the one that stands out is not covered
    for one in order:
        x, y = points[one]
        tone = "first" if one == first else "quiet"
        parts.append(
            element(
                "circle", cx=x_scale(place(x)), cy=y_scale(y), r=5.5 if one == first else 3.5, class_=f"mark {tone}"
            )
        )
    middle = (TOP + floor) / 2
    parts += [
        text((LEFT + WIDTH) / 2, HEIGHT - 6, x_label, "tick", "middle"),
        element(
            "text", y_label, x=11, y=middle, text_anchor="middle", class_="tick", transform=f"rotate(-90 11 {middle:g})"
        ),
    ]
    return picture(parts, HEIGHT, title)


def _ticks(scale: Scale, *, log: bool, names: Sequence[str]) -> list[tuple[float, str]]:
    if names:
        return [(float(at), shorten(words, 12)) for at, words in enumerate(names)]
    if not log:
        return [(at, number(at)) for at in scale.ticks()]
    powers = range(math.ceil(scale.low - 1e-9), math.floor(scale.high + 1e-9) + 1)
    steps = (1,) if len(powers) > 2 else (1, 2, 5)
    marks = [math.log10(step) + power for power in range(powers.start - 1, powers.stop) for step in steps]
    return [(at, number(10**at)) for at in marks if scale.low <= at <= scale.high]
