from collections.abc import Sequence
from dataclasses import dataclass

from recloop.charts.svg import WIDTH, element, picture, shorten, text

ROW, HEAD, FAMILY, LABEL = 22, 24, 24, 178


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a matrix: few words, and a CSS class (good, bad, warn, quiet or "")."""

    words: str
    tone: str = ""


def matrix_chart(rows: Sequence[tuple[str, str, Sequence[Cell]]], columns: Sequence[str], title: str) -> str:
    """A matrix of coloured fields: a row per (family, label), families under headings of their own.

    The words say what the colour says, so that it can be read without colours.

    >>> "better" in matrix_chart([("effort", "skips", [Cell("better", "good")])], ["against popular"], "t")
    True
    """
    wide = (WIDTH - LABEL) / max(len(columns), 1)
    parts = [
        text(LABEL + wide * (at + 0.5), 15, shorten(name, max(int(wide / 6.4), 3)), "tick", "middle")
        for at, name in enumerate(columns)
    ]
    y, family = float(HEAD), None
    for own, label, cells in rows:
        if own != family:
            family = own
            parts.append(text(0, y + 16, own, "heading"))
            y += FAMILY
        parts.append(text(0, y + 15, shorten(label, 27), "label"))
        for at, cell in enumerate(cells):
            x = LABEL + wide * at
            if cell.tone:
                box = element("rect", x=x + 1.5, y=y + 1.5, width=wide - 3, height=ROW - 3, rx=4,
                              class_=f"light {cell.tone}")  # fmt: skip
                parts.append(box)
            parts.append(text(x + wide / 2, y + 15, shorten(cell.words, max(int(wide / 6.4), 3)), "value", "middle"))
        y += ROW
    return picture(parts, y + 6, title)
