"""Charts as SVG text: numbers in, a picture out. No script, no network; colours come from the page's CSS variables."""

from recloop.charts.bars import bars
from recloop.charts.dots import dots
from recloop.charts.intervals import Interval, intervals
from recloop.charts.lights import Cell, matrix_chart
from recloop.charts.lines import Series, lines
from recloop.charts.pairwise import pairs
from recloop.charts.scatter import Point, scatter
from recloop.charts.style import style

__all__ = [
    "Cell",
    "Interval",
    "Point",
    "Series",
    "bars",
    "dots",
    "intervals",
    "lines",
    "matrix_chart",
    "pairs",
    "scatter",
    "style",
]
