from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from recloop.charts import Interval, Point, intervals, scatter
from recloop.charts.scale import number


def leaderboard(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The section on held-out data, from ``Evaluation.to_dict()``: leaderboard, Pareto plot, what leaks, costs."""
    metrics = [m["name"] for m in evaluation["metrics"]]
    first = metrics[0]
    cells = {(row["strategy"], row["metric"]): row for row in evaluation["leaderboard"]}
    leaders = {entry["metric"]: entry for entry in evaluation["best"]}
    best = {leaders[first]["strategy"]} if first in leaders else set()
    tied = set(leaders[first]["tied"]) if first in leaders else set()
    order = sorted(evaluation["strategies"], key=lambda name: -_value(cells.get((name, first))))
    split = evaluation["split"]
    notes = [f"Split {split['name']}: {line}" for line in split["leaks"]]
    notes += split["notes"]
    notes += _skipped(evaluation["skipped"])
    costs = [
        f"{name} {cost['fit_seconds']:.2f} s"
        for name, cost in evaluation["costs"].items()
        if cost["fit_seconds"] is not None
    ]
    if costs:
        notes.append(f"CPU seconds to train: {', '.join(costs)}.")
    return {
        "sentence": leaders[first]["sentence"] if first in leaders else "No metric is defined on these users.",
        "metrics": metrics,
        "rows": [
            {"name": name, "best": name in best, "cells": [_cell(cells.get((name, metric))) for metric in metrics]}
            for name in order
        ],
        "plot": Markup(  # noqa: S704 -- our own picture, escaped where it was made
            intervals(
                [_mark(name, cells.get((name, first)), best, tied) for name in order],
                f"{first} of each strategy with its interval",
                unit=first,
            )
        ),
        "plot_caption": (
            f"{first} over {split['users']:,} users, ranking all {split['items']:,} items, with 95% intervals over "
            "users. Grey: behind the leader after Holm's correction."
        ),
        "pareto": _pareto(evaluation, cells),
        "pareto_caption": (
            "Accuracy against variety: up and right is better; the line joins what no other strategy beats on both."
        ),
        "notes": notes,
    }


def _skipped(skipped: Sequence[Mapping[str, str]]) -> list[str]:
    """Which metrics could not be computed, each reason once."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in skipped:
        found.setdefault((entry["metric"], entry["reason"]), []).append(entry["strategy"])
    return [f"{metric} of {', '.join(names)}: {reason}." for (metric, reason), names in found.items()]


def _value(row: Mapping[str, Any] | None) -> float:
    return float("-inf") if row is None or row["value"] is None else float(row["value"])


def _cell(row: Mapping[str, Any] | None) -> dict[str, str]:
    if row is None or row["value"] is None:
        return {"text": "–", "small": ""}
    small = f"{number(row['low'])} to {number(row['high'])}" if row["low"] is not None else ""
    return {"text": f"{row['value']:.4f}" if abs(row["value"]) < 10 else number(row["value"]), "small": small}


def _mark(name: str, row: Mapping[str, Any] | None, best: set[str], tied: set[str]) -> Interval:
    tone = "first" if name in best else "" if name in tied else "quiet"
    if row is None or row["value"] is None:
        return Interval(name, float("nan"))
    if row["low"] is None:
        return Interval(name, row["value"], tone=tone)
    return Interval(name, row["value"], row["low"], row["high"], tone)


def _pareto(evaluation: Mapping[str, Any], cells: Mapping[tuple[str, str], Mapping[str, Any]]) -> Markup | None:
    pareto = evaluation["pareto"]
    if pareto is None:
        return None
    x, y = pareto["x"], pareto["y"]
    points = [
        Point(name, cells[name, x]["value"], cells[name, y]["value"], front=name in pareto["front"])
        for name in evaluation["strategies"]
        if cells.get((name, x), {}).get("value") is not None and cells.get((name, y), {}).get("value") is not None
    ]
    return Markup(scatter(points, f"{x} against {y}", x_label=x, y_label=y))  # noqa: S704 -- as above
