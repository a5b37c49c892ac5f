from functools import cache
from importlib.resources import files


@cache
def style() -> str:
    """The colours of a page, light and dark, and how charts use them: CSS for the page that shows them.

    >>> "svg.chart" in style()
    True
    """
    return files("recloop.charts").joinpath("style.css").read_text(encoding="utf-8")
