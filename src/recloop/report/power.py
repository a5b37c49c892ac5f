"""The page and the picture of ``recloop experiments power``: the smallest change that can be found, day by day."""

import math

from markupsafe import Markup

from recloop.charts import Series, lines
from recloop.charts.scale import number
from recloop.experiments.sizing import Sizing
from recloop.experiments.words import change, percent
from recloop.report.page import render, style


def power_chart(sizing: Sizing) -> str:
    """The smallest change by day as SVG; relative to the baseline where there is one."""
    known = [day for day in sizing.days if math.isfinite(day.change)]
    relative = bool(sizing.pilot.baseline)
    wanted = sizing.wanted
    if wanted is not None:
        wanted = abs(wanted / sizing.pilot.baseline) if relative else abs(wanted)
    return lines(
        [
            Series(
                f"{sizing.pilot.metric.title}: smallest change",
                [day.day for day in known],
                [day.relative if relative else day.change for day in known],
            )
        ],
        "The smallest change that can be found, by day",
        x_label="days",
        reference=wanted,
        form=(lambda value: f"{100 * value:.3g}%") if relative else number,
    )


def power_picture(sizing: Sizing) -> str:
    """The chart as a file of its own, with its style inside."""
    return power_chart(sizing).replace("</title>", f"</title><style>{style()}</style>", 1)


def power_page(sizing: Sizing, sentences: list[str], now: float) -> str:
    """The chart, the sentences and the table as one page."""
    metric = sizing.pilot.metric
    values = {
        "title": f"What an experiment on {metric.title} can find",
        "sentences": sentences,
        "chart": Markup(power_chart(sizing)),  # noqa: S704 -- ours
        "caption": ("Dashed: the change to find. " if sizing.wanted is not None else "")
        + "Smaller changes may be there, and are missed more often than the power says.",
        "rows": [
            {
                "day": day.day,
                "users": f"{day.users:,}",
                "change": change(metric, day.change),
                "relative": percent(day.relative) if math.isfinite(day.relative) else "–",
            }
            for day in sizing.days
        ],
    }
    return render("power.html", values, kind="plan of an experiment", now=now)
