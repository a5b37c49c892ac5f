"""An analysis as charts, SVG text made here: no script, no network."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recloop.charts import Series, intervals, lines, style
from recloop.charts.scale import number, percent
from recloop.errors import DataError, SettingError, nearest
from recloop.experiments.analysis.days import traffic_by_day
from recloop.experiments.analysis.plan import DAY
from recloop.experiments.forest import WIDEST, forest_row

if TYPE_CHECKING:
    from recloop.experiments.analysis.result import Analysis

UNTIMED = "the data name no time of first exposure (columns.time), or too few users came"
TONES = ("first", "second", "good", "quiet")


class Picture(str):
    """SVG text that a notebook shows."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        """The picture with its colours."""
        opening, _, rest = self.partition(">")
        return f"{opening}><style>{style()}</style>{rest}"

    def save(self, path: Path | str) -> None:
        """Write it, with its colours, as an SVG file."""
        Path(path).write_text(self._repr_svg_(), encoding="utf-8")


def forest(analysis: "Analysis", *, segment: str = "") -> Picture:
    """Every metric's relative change with its interval; with ``segment``, the primary one's in each of its values.

    Raises:
        SettingError: the plan has no such segment column; the nearest is offered.
    """
    readout = analysis.readout
    if segment and segment not in analysis.plan.segments:
        raise SettingError(f"the plan has no segment '{segment}'", advice=nearest(segment, analysis.plan.segments))
    if segment:
        metric = readout.metrics[analysis.experiment.primary]
        rows = [
            forest_row(one.value + _who(analysis, one.treatment, one.control), metric, one.effect)
            for one in readout.segments.effects
            if one.column == segment and one.metric == metric.id and one.effect and one.effect.bounded
        ]
        title = f"Relative change of {metric.title} by {segment}"
    else:
        rows = [
            forest_row(metric.title + _who(analysis, one.treatment, one.control), metric, one.effect)
            for one in readout.comparisons
            if one.effect and one.effect.bounded and (metric := readout.metrics[one.metric])
        ]
        title = "Relative change of each metric"
    return Picture(intervals(rows, title, reference=0.0, limit=WIDEST, unit="relative change", form=percent))


def cumulative(analysis: "Analysis") -> Picture:
    """The primary metric's effect at the end of each day, with a band that holds at every look.

    Raises:
        DataError: the results are hidden, or nothing says when users came.
    """
    found = analysis.readout.lifts
    if not found:
        raise DataError(f"there is no effect by day: {analysis.readout.hidden or UNTIMED}")
    relative = all(
        abs(value) < float("inf") for one in found for value in (one.relative_low[-1], one.relative_high[-1])
    )
    series = [
        Series(
            f"{one.treatment} against {one.control}",
            one.times,
            one.relative if relative else one.estimate,
            one.relative_low if relative else one.low,
            one.relative_high if relative else one.high,
            TONES[place % len(TONES)],
        )
        for place, one in enumerate(found)
    ]
    title = analysis.readout.metrics[analysis.experiment.primary].title
    return Picture(
        lines(
            series,
            f"Effect on {title} as users came in",
            x_label="by the end of",
            reference=0.0,
            x_ticks=_dates([time for one in found for time in one.times]),
            form=percent if relative else number,
        )
    )


def traffic(analysis: "Analysis") -> Picture:
    """Users per day of their first exposure, by variant.

    Raises:
        DataError: nothing says when users came.
    """
    if not analysis.scan.sums.days:
        raise DataError(f"there are no users by day: {UNTIMED}")
    found = traffic_by_day(analysis.scan.sums, tuple(analysis.plan.variants))
    series = [
        Series(
            name, [(day + 0.5) * DAY for day, _ in counts], [float(n) for _, n in counts], tone=TONES[i % len(TONES)]
        )
        for i, (name, counts) in enumerate(found.items())
    ]
    ticks = _dates([x for one in series for x in one.x])
    return Picture(lines(series, "Users per day", x_label="day of first exposure", reference=0.0, x_ticks=ticks))


def _who(analysis: "Analysis", treatment: str, control: str) -> str:
    if len(analysis.experiment.pairs) == 1:
        return ""
    return f"\n{treatment}" + (f" against {control}" if len(analysis.experiment.controls) > 1 else "")


def _dates(times: list[float]) -> list[tuple[float, str]]:
    """At most five dates along the axis."""
    if not times:
        return []
    low, high = min(times), max(times)
    step = DAY * max(math.ceil((high - low) / DAY / 5), 1)
    places = np.arange(low, low + 0.94 * (high - low) + 1, step).tolist()  # a label at the very edge would be cut
    return [(at, datetime.fromtimestamp(at - 1, tz=UTC).strftime("%d %b").lstrip("0")) for at in places]
