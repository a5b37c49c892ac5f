"""Write docs/reference/outcomes.md from the metrics themselves: ``python docs/outcomes.py``."""

from pathlib import Path

from recloop.metrics.online import FAMILIES, OutcomeMetric

PAGE = Path(__file__).resolve().parent / "reference" / "outcomes.md"
HEAD = """# Metrics of live users

*Written from the metrics themselves (`python docs/outcomes.py`).* Each metric is a sum over users divided by another one; the user is the unit, and intervals of ratios are made by the delta method. $u$ runs over users, $d$ over decisions (slates), $i$ over items. The margin is what a guardrail tolerates where its own says nothing else; of how slates are answered, the [problem finder](problems.md) tolerates as much between arms.

Events and feedback belong to a decision by the rules of [attribution](experiments.md). A metric whose events were never sent is *not measured*, which is not zero. Which kinds of events count as what is configuration: `recloop.metrics.outcomes.OutcomeKinds`. Measures of what slates look like need what is known of items: `ItemFacts`.
"""
TAIL = """
## What is not told apart

`orders_per_user` and `spend_per_user` count all that users buy after a slate, shown or not; the other purchases are those of items shown. Against a control whose policy is `none`, they are the incremental rate: what recommendations add to what users would have bought anyway.

`return_week` and `return_month` look for users only where the whole week lies before the end of the log, so that nobody counts as lost who could not be back yet. `time_to_good` and `days_to_return` are restricted means: whoever never got there counts with the bound, so no shape of the curve is assumed.

In `survey` and `survey_top` an answer weighs $w_u$: one over the days on which its user could have been asked, times one over the chance that a user who does what this one does answers ([who answers](surveys.md#who-answers)). Where no slate carried a question of recloop's, nobody knows who was asked, and all answers weigh alike. The top-two box is 4 and 5 of a scale from 1 to 5; of the scale of another survey, three quarters of the way up and above.

`short_slates` holds a slate against the usual length on its surface, since what a request asked for is not kept.

A mean over slates as if they were independent makes intervals that are too narrow, because slates of one user are alike. No function here makes one.

`metrics.outcomes.latency_quantiles` gives the 50th, 95th and 99th percentile per variant. They describe; no interval goes with them.
"""


def size(metric: OutcomeMetric) -> str:
    """The margin as people write it."""
    if metric.margin_scale == "relative":
        return f"{metric.margin * 100:g}% relative"
    if metric.form == "percent":
        return f"{metric.margin * 100:g} points absolute"
    return f"{metric.margin * 1000:g} ms absolute" if metric.form == "seconds" else f"{metric.margin:g} absolute"


def section(metric: OutcomeMetric) -> str:
    """The paragraph of a metric."""
    source = f" Source: {metric.source}." if metric.source else ""
    return (
        f"### `{metric.id}`\n\n{metric.title.capitalize()}; {metric.unit}. Better is {metric.direction}. "
        f"Needs {metric.needs}. Margin: {size(metric)}.{source}\n\n```{{math}}\n{metric.formula}\n```\n"
    )


def page() -> str:
    """The whole page."""
    families = [
        f"\n## {name.capitalize()}\n\n" + "\n".join(section(metric) for metric in family)
        for name, family in FAMILIES.items()
    ]
    return HEAD + "".join(families) + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
