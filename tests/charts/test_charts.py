"""Charts are well-formed, place numbers where they belong, and survive what data throws at them."""

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.charts import Interval, Point, Series, bars, dots, intervals, lines, scatter
from recloop.charts.scale import Scale, number
from recloop.charts.svg import WIDTH

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_inside_round_and_few(low: float, span: float) -> None:
    scale = Scale(low, low + span, 0, 1)
    if scale.high > scale.low + 1e-9 * abs(low):
        ticks = scale.ticks(5)
        assert len(ticks) <= 6
        assert all(scale.low - span * 1e-6 <= tick <= scale.high + span * 1e-6 for tick in ticks)


def test_labels_are_escaped() -> None:
    picture = intervals([Interval("<script>alert(1)</script>", 1.0)], "<b>")
    assert "<script>" not in picture
    assert parse(picture).find(f"{SVG}title") is not None


def test_intervals_place_values_in_order() -> None:
    root = parse(intervals([Interval("a", 0.1, 0.05, 0.15), Interval("b", 0.3, 0.2, 0.4)], "t", reference=0.0))
    x = [float(circle.attrib["cx"]) for circle in root.iter(f"{SVG}circle")]
    assert x[0] < x[1]
    reference = next(line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "reference")
    assert float(reference.attrib["x1"]) < x[0]


def test_an_unbounded_interval_gets_an_arrow() -> None:
    root = parse(intervals([Interval("a", 0.1, 0.05, math.inf)], "t"))
    assert len(list(root.iter(f"{SVG}polygon"))) == 1


def test_a_missing_value_shows_a_dash() -> None:
    assert "–" in intervals([Interval("a", math.nan), Interval("b", 1.0)], "t")


@pytest.mark.parametrize(
    "points",
    [[], [Point("one", 1.0, 1.0)], [Point("a", 1.0, 1.0, front=True), Point("b", 1.0, 1.0, front=True)]],
)
def test_scatter_of_few_points(points: list[Point]) -> None:
    root = parse(scatter(points, "t", x_label="x", y_label="y"))
    assert len(list(root.iter(f"{SVG}circle"))) == len(points)


def test_neighbouring_labels_do_not_overlap() -> None:
    root = parse(
        scatter(
            [Point(f"p{i}", 1.0, 1.0 + i * 1e-6) for i in range(3)] + [Point("far", 2, 2)],
            "t",
            x_label="x",
            y_label="y",
        )
    )
    y = [float(t.attrib["y"]) for t in root.iter(f"{SVG}text") if (t.text or "").startswith("p")]
    assert min(abs(a - b) for a in y for b in y if a != b) >= 12


def test_lines_with_a_band_and_infinite_ends() -> None:
    root = parse(
        lines([Series("lift", [1, 2, 3], [0.1, 0.2, 0.1], [-math.inf, 0, 0], [math.inf, 1, 1])], "t", reference=0)
    )
    polygon = next(root.iter(f"{SVG}polygon"))
    assert "inf" not in polygon.attrib["points"]
    assert "nan" not in polygon.attrib["points"]


def test_bars_grow_with_their_values() -> None:
    wide = [float(bar.attrib["width"]) for bar in parse(bars([("a", 1.0), ("b", 2.0)], "t")).iter(f"{SVG}rect")]
    assert wide[1] == pytest.approx(2 * wide[0], rel=0.05)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (-0.25, "−0.25"), (1500, "1,500"), (25_000, "25k"), (math.nan, "–"), (0.00001, "1.0e−05")],
)
def test_numbers_as_people_write_them(value: float, words: str) -> None:
    assert number(value) == words


def test_dots_stand_where_their_values_say() -> None:
    picture = dots([(1.0, 0.1), (10.0, 0.3), (100.0, 0.2)], "t", x_label="reg", y_label="ndcg", first=1, log=True)
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)" class="mark (\w+)"', picture)
    x = [float(circle[0]) for circle in circles]
    assert circles[-1][2:] == ("5.5", "first"), "the one that stands out is drawn last"
    assert x[2] - x[0] == pytest.approx(x[1] - x[2], abs=0.02), "orders of magnitude get the same room"
    assert [words for words in ("1", "10", "100") if f">{words}</text>" in picture] == ["1", "10", "100"]


def test_dots_over_words_and_a_staircase() -> None:
    picture = dots(
        [(0.0, 0.1), (1.0, 0.3)], "t", x_label="history", y_label="ndcg", names=["mean", "recency"],
        best=[(0.0, 0.1), (1.0, 0.3)],
    )  # fmt: skip
    assert ">mean</text>" in picture
    assert ">recency</text>" in picture
    (stairs,) = re.findall(r'<polyline points="([^"]+)" class="front"', picture)
    corners = [tuple(map(float, corner.split(","))) for corner in stairs.split()]
    assert corners[0][1] == corners[1][1], "level until the better one"
    assert corners[1][0] == corners[2][0]
    assert "<circle" in dots([(5.0, 0.2)], "one", x_label="x", y_label="y")


def test_a_long_legend_takes_more_rows_and_none_is_cut() -> None:
    names = [f"personalised-recommendations-{i} against control" for i in range(4)]
    root = parse(lines([Series(name, [0, 1], [0.1, 0.2]) for name in names], "t"))
    found = [text for text in root.iter(f"{SVG}text") if text.text in names]
    assert len({text.attrib["y"] for text in found}) == len(names)
    assert all(float(text.attrib["x"]) + 6.6 * len(text.text) <= WIDTH for text in found)


def test_the_second_line_of_a_label_keeps_clear_of_the_next_row() -> None:
    root = parse(intervals([Interval("revenue\nnew", 0.1), Interval("revenue\nblend", 0.2)], "t"))
    places = {text.text: float(text.attrib["y"]) for text in root.iter(f"{SVG}text")}
    assert places["new"] < places["blend"] - 24
