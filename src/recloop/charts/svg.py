"""SVG elements as text, escaped once, here."""

from collections.abc import Iterable
from html import escape

WIDTH = 440  # units; narrow enough that 12-unit text stays readable on a phone


def element(tag: str, body: str = "", **attributes: object) -> str:
    """One element; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``; floats are rounded.

    >>> element("line", x1=0, x2=1.23456, class_="axis")
    '<line x1="0" x2="1.23" class="axis"/>'
    """
    parts = [
        f'{name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    ]
    opening = " ".join([tag, *parts])
    return f"<{opening}>{body}</{tag}>" if body else f"<{opening}/>"


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> str:
    """A piece of text; ``anchor`` is start, middle or end."""
    return element("text", escape(words), x=x, y=y, text_anchor=anchor, class_=class_ or None) if words else ""


def picture(body: Iterable[str], height: float, title: str, width: float = WIDTH) -> str:
    """The whole picture, with its title for readers who hear the page."""
    head = element("title", escape(title))
    return element(
        "svg", head + "".join(body), viewBox=f"0 0 {width:g} {height:g}", role="img", class_="chart",
        xmlns="http://www.w3.org/2000/svg",
    )  # fmt: skip


def shorten(words: str, most: int) -> str:
    """Words cut to a length, with an ellipsis.

    >>> shorten("transitions", 6)
    'trans…'
    """
    return words if len(words) <= most else words[: most - 1] + "…"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
    return escape(str(value), quote=True)
