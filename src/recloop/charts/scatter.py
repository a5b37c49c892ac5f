from collections.abc import Sequence
from dataclasses import dataclass

from recloop.charts.scale import Scale, number
from recloop.charts.svg import WIDTH, element, picture, shorten, text

HEIGHT, LEFT, TOP, BOTTOM = 290, 46, 12, 40


@dataclass(frozen=True, slots=True)
class Point:
    """One labelled point; those on the front are joined by a line."""

    label: str
    x: float
    y: float
    front: bool = False
    tone: str = ""


def scatter(points: Sequence[Point], title: str, *, x_label: str, y_label: str) -> str:
    """Labelled points with their Pareto front; both axes point to better.

    >>> "popular" in scatter([Point("popular", 0.1, 0.2)], "t", x_label="NDCG", y_label="diversity")
    True
    """
    floor = HEIGHT - BOTTOM
    x_scale = Scale.over([p.x for p in points], LEFT + 8, WIDTH - 24)
    y_scale = Scale.over([p.y for p in points], floor - 8, TOP + 12)
    parts = []
    for tick in x_scale.ticks():
        x = x_scale(tick)
        parts += [
            element("line", x1=x, x2=x, y1=TOP, y2=floor, class_="grid"),
            text(x, floor + 15, number(tick), "tick", "middle"),
        ]
    for tick in y_scale.ticks():
        y = y_scale(tick)
        parts += [
            element("line", x1=LEFT, x2=WIDTH, y1=y, y2=y, class_="grid"),
            text(LEFT - 6, y + 4, number(tick), "tick", "end"),
        ]
    front = sorted((p for p in points if p.front), key=lambda p: (p.x, -p.y))
    if len(front) > 1:
        path = " ".join(f"{x_scale(p.x):.1f},{y_scale(p.y):.1f}" for p in front)
        parts.append(element("polyline", points=path, class_="front"))
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda p: -p.y):
        x, y = x_scale(point.x), y_scale(point.y)
        tone = point.tone or ("first" if point.front else "quiet")
        parts.append(element("circle", cx=x, cy=y, r=5, class_=f"mark {tone}"))
        words = shorten(point.label, 22)
        wide = 6.4 * len(words)
        left_side = x + 9 + wide > WIDTH
        start = x - 9 - wide if left_side else x + 9
        at = y + 4
        while any(abs(at - other) < 12 and start < stop and first < start + wide for first, stop, other in taken):
            at += 12  # labels of neighbours go below each other
        taken.append((start, start + wide, at))
        parts.append(text(x - 9 if left_side else x + 9, at, words, "label", "end" if left_side else "start"))
    parts += [
        text((LEFT + WIDTH) / 2, HEIGHT - 6, f"{x_label} →", "tick", "middle"),
        element("text", f"{y_label} →", x=12, y=(TOP + floor) / 2, text_anchor="middle", class_="tick",
                transform=f"rotate(-90 12 {(TOP + floor) / 2:g})"),
    ]  # fmt: skip
    return picture(parts, HEIGHT, title)
