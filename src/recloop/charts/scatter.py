from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recloop.charts.scale import Scale, number
from recloop.charts.svg import WIDTH, element, picture, shorten, text

HEIGHT, LEFT, TOP, BOTTOM = 290, 68, 12, 40


@dataclass(frozen=True, slots=True)
class Point:
    """One labelled point; those on the front are joined by a line."""

    label: str
    x: float
    y: float
    front: bool = False
    tone: str = ""


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float

    def hits(self, other: "_Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def _free(x: float, y: float, wide: float, taken: Sequence[_Box], floor: float) -> _Box:
    """Where a label fits beside its point: the nearest place that hits the fewest other labels and points."""
    places = [
        _Box(left, left + wide, y + dy - 7, y + dy + 7)
        for reach in (0, 13, 26, 39)
        for dy in ((0,) if not reach else (-reach, reach))
        for left in ((x + 9, x - 9 - wide) if reach < 20 else (x - wide / 2, x + 9, x - 9 - wide))
    ]
    inside = [b for b in places if b.left >= LEFT and b.right <= WIDTH and b.top >= 0 and b.bottom <= floor]
    return min(inside or places, key=lambda box: sum(box.hits(other) for other in taken))


def scatter(
    points: Sequence[Point],
    title: str,
    *,
    x_label: str,
    y_label: str,
    form: Callable[[float], str] = number,
    diagonal: bool = False,
) -> str:
    """Labelled points with their Pareto front; both axes point to better.

    Args:
        points: to be drawn.
        title: for who hears the picture.
        x_label: under the axis.
        y_label: beside it.
        form: how numbers on the axes are written.
        diagonal: draw where both numbers are the same.

    >>> "popular" in scatter([Point("popular", 0.1, 0.2)], "t", x_label="NDCG", y_label="diversity")
    True
    """
    floor = HEIGHT - BOTTOM
    y_scale = Scale.over([p.y for p in points], floor - 8, TOP + 12)
    left = max(LEFT, 32 + 9.0 * max((len(form(tick)) for tick in y_scale.ticks()), default=0))  # beside the y label
    x_scale = Scale.over([p.x for p in points], left + 8, WIDTH - 24)
    parts = []
    for tick in x_scale.ticks():
        x = x_scale(tick)
        parts += [
            element("line", x1=x, x2=x, y1=TOP, y2=floor, class_="grid"),
            text(x, floor + 15, form(tick), "tick", "middle"),
        ]
    for tick in y_scale.ticks():
        y = y_scale(tick)
        parts += [
            element("line", x1=left, x2=WIDTH, y1=y, y2=y, class_="grid"),
            text(left - 6, y + 4, form(tick), "tick", "end"),
        ]
    if diagonal and points:
        low = max(min(p.x for p in points), min(p.y for p in points))
        high = min(max(p.x for p in points), max(p.y for p in points))
        if low < high:
            (x1, x2), (y1, y2) = map(x_scale, (low, high)), map(y_scale, (low, high))
            parts.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="reference"))
    front = sorted((p for p in points if p.front), key=lambda p: (p.x, -p.y))
    if len(front) > 1:
        path = " ".join(f"{x_scale(p.x):.1f},{y_scale(p.y):.1f}" for p in front)
        parts.append(element("polyline", points=path, class_="front"))
    dots = [(x_scale(p.x), y_scale(p.y)) for p in points]
    taken = [_Box(x - 6, x + 6, y - 6, y + 6) for x, y in dots]
    for point, (x, y) in sorted(zip(points, dots, strict=True), key=lambda pair: pair[1][1]):
        tone = point.tone or ("first" if point.front else "quiet")
        parts.append(element("circle", cx=x, cy=y, r=5, class_=f"mark {tone}"))
        words = shorten(point.label, 22)
        box = _free(x, y, 7.4 * len(words), taken, floor)
        taken.append(box)
        parts.append(text(box.left, box.bottom - 3, words, "label"))
    parts += [
        text((left + WIDTH) / 2, HEIGHT - 6, f"{x_label} →", "tick", "middle"),
        element("text", f"{y_label} →", x=12, y=(TOP + floor) / 2, text_anchor="middle", class_="tick",
                transform=f"rotate(-90 12 {(TOP + floor) / 2:g})"),
    ]  # fmt: skip
    return picture(parts, HEIGHT, title)
