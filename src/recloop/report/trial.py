import math
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from recloop.charts import Series, intervals, lines
from recloop.charts.scale import percent
from recloop.experiments.definition import Experiment
from recloop.experiments.forest import WIDEST, forest_row
from recloop.experiments.guardrails import MADE
from recloop.experiments.readout import Readout
from recloop.experiments.words import listed
from recloop.metrics.online import OutcomeMetric

TONES = {"green": "ok", "yellow": "warning", "red": "error"}


def trial(experiment: Experiment, readout: Readout) -> dict[str, Any]:
    """The section on an experiment: lifts per metric, the lift as it grew, values per variant, validity."""
    controls = experiment.controls
    main = controls[-1]
    primary = readout.metrics[experiment.primary]
    how = MADE[readout.basis]
    level = f"{1 - experiment.alpha:.0%}"
    shown = [metric for metric in readout.metrics.values() if _valued(readout, metric)]
    values = {(v.metric, v.variant): v.value for v in readout.values}
    return {
        "sentence": (
            f"{readout.total_users:,} users, split by a hash of their id over {listed(list(experiment.variants))}. "
            f"What decides is {primary.title} ({primary.unit}), against {listed(list(controls))}."
        ),
        "forest": Markup(  # noqa: S704 -- our own picture, escaped where it was made
            intervals(
                [
                    forest_row(metric.title, metric, one.effect)
                    for one in readout.comparisons
                    if one.control == main and one.effect and one.effect.bounded
                    if (metric := readout.metrics[one.metric])
                ],
                f"Relative change of each metric against {main}",
                reference=0.0,
                limit=WIDEST,
                unit=f"change against {main}",
                form=percent,
            )
        ),
        "forest_caption": (
            f"Relative change against {main} with {level} intervals, {how}. Green is better for users, red is worse, "
            "grey is open; an arrow leads beyond the plot."
        ),
        "over_time": [
            {
                "svg": Markup(  # noqa: S704 -- as above
                    lines(
                        [
                            Series(
                                f"{one.treatment} against {one.control}",
                                one.users,
                                one.relative,
                                one.relative_low,
                                one.relative_high,
                            )
                        ],
                        f"Lift in {primary.title} as users came in",
                        x_label=f"users ({_day(one.times[0])} to {_day(one.times[-1])})",
                        reference=0.0,
                        form=percent,
                    )
                ),
                "caption": f"Lift in {primary.title} as users came in, with a {level} band that holds at every look.",
            }
            for one in reversed(readout.lifts)  # the stronger control first, beside the forest plot
            if one.times
        ],
        "metrics": [metric.title for metric in shown],
        "variants": [
            {
                "name": f"{name}{' (control)' if name in controls else ''}",
                "users": f"{readout.users[name]:,}",
                "treatment": name not in controls,
                "cells": [_say(metric, values.get((metric.id, name), float("nan"))) for metric in shown],
            }
            for name in experiment.variants
        ],
        "validity": [{"tone": TONES[one.level], "word": one.name, "sentence": one.sentence} for one in readout.checks],
    }


def _valued(readout: Readout, metric: OutcomeMetric) -> bool:
    return any(v.metric == metric.id and not math.isnan(v.value) for v in readout.values)


def _say(metric: OutcomeMetric, value: float) -> str:
    return metric.say(value) if not math.isnan(value) else "–"


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, tz=UTC).strftime("%-d %b")
