"""The page of ``recloop tune``: what was found, how the search went, and which setting matters."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from recloop.charts import Point, bars, dots, scatter
from recloop.charts.scale import number
from recloop.metrics import parse_metric
from recloop.report.page import render

ROWS = 20  # trials in the table


def tuning_page(found: Mapping[str, Any], command: str, now: float) -> str:
    """The page of one search.

    Args:
        found: ``Tuning.to_dict()``.
        command: that made it.
        now: seconds since 1970.
    """
    metrics = [metric["name"] for metric in found["metrics"]]
    trials = [trial for trial in found["trials"] if trial["state"] == "complete"]
    ended = {state: sum(trial["state"] == state for trial in found["trials"]) for state in ("pruned", "failed")}
    values = {
        "title": f"Settings of {found['name']}",
        "found": found,
        "command": command,
        "tiles": _tiles(found, metrics[0], ended),
        "metrics": metrics,
        "settings": list(found["space"]),
        "rows": _rows(found, trials, metrics),
        "more": max(0, len(trials) - ROWS),
        "course": _course(found, trials, metrics[0]),
        "front": _front(found, trials, metrics) if len(metrics) > 1 else None,
        "influence": Markup(bars(list(found["influence"].items()), "Influence of each setting"))  # noqa: S704 -- ours
        if found["influence"]
        else None,
        "slices": [_slice(found, trials, name, metrics[0]) for name in found["space"]],
        "failed": _failures(found),
        "ended": ended,
        "space": [{"name": name, "words": _words(tried)} for name, tried in found["space"].items()],
    }
    return render("tune.html", values, kind="search for settings", now=now)


def _tiles(found: Mapping[str, Any], metric: str, ended: Mapping[str, int]) -> list[dict[str, str]]:
    own = found["own"]
    seconds = sum(trial["seconds"] for trial in found["trials"])
    tiles = [
        (f"{metric}, best", f"{found['best']['values'][metric]:.4f}"),
        (f"{metric}, the plan's settings", f"{own['values'][metric]:.4f}" if own else "–"),
        ("trials", str(len(found["trials"]))),
        ("of them ended early", str(ended["pruned"])),
        ("seconds of training and judging", number(seconds)),
    ]
    return [{"label": label, "value": value} for label, value in tiles]


def _rows(
    found: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    merit = parse_metric(metrics[0]).merit
    ranked = sorted(trials, key=lambda trial: (-merit(trial["values"][metrics[0]]), trial["number"]))[:ROWS]
    own = found["own"]
    if own is not None and all(trial["number"] != own["number"] for trial in ranked):
        ranked.append(own)
    return [
        {
            "number": trial["number"],
            "best": trial["number"] in found["front"],
            "own": trial["own"],
            "settings": [_said(trial["settings"][name]) for name in found["space"]],
            "values": [f"{trial['values'][metric]:.4f}" for metric in metrics],
            "seconds": f"{trial['seconds']:.1f}",
        }
        for trial in ranked
    ]


def _course(found: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], metric: str) -> Markup:
    """The value of each trial, and the best so far as a staircase."""
    merit = parse_metric(metric).merit
    points = [(float(trial["number"]), trial["values"][metric]) for trial in trials]
    best: list[tuple[float, float]] = []
    for number_, value in points:
        if not best or merit(value) > merit(best[-1][1]):
            best.append((number_, value))
    best.append((float(len(found["trials"])), best[-1][1]))
    place = next(place for place, trial in enumerate(trials) if trial["number"] == found["best"]["number"])
    return Markup(  # noqa: S704 -- our own picture, escaped where it was made
        dots(points, f"{metric} of each trial", x_label="trial", y_label=metric, first=place, best=best)
    )


def _slice(found: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], name: str, metric: str) -> dict[str, Any]:
    """The value over one setting."""
    tried, names = found["space"][name], []
    if isinstance(tried, list):
        names = [_said(value) for value in tried]
        points = [(float(tried.index(trial["settings"][name])), trial["values"][metric]) for trial in trials]
    else:
        points = [(float(trial["settings"][name]), trial["values"][metric]) for trial in trials]
    place = next(place for place, trial in enumerate(trials) if trial["number"] == found["best"]["number"])
    log = not names and tried["log"]
    picture = dots(points, f"{metric} over {name}", x_label=name, y_label=metric, first=place, log=log, names=names)
    return {"name": name, "svg": Markup(picture)}  # noqa: S704 -- as above


def _front(found: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> Markup:
    points = [
        Point(
            f"{trial['number']}" if trial["number"] in found["front"] else "",
            trial["values"][metrics[0]],
            trial["values"][metrics[1]],
            front=trial["number"] in found["front"],
        )
        for trial in trials
    ]
    return Markup(  # noqa: S704 -- as above
        scatter(points, f"{metrics[0]} against {metrics[1]}", x_label=metrics[0], y_label=metrics[1])
    )


def _failures(found: Mapping[str, Any]) -> list[str]:
    reasons: dict[str, int] = {}
    for trial in found["trials"]:
        if trial["state"] == "failed":
            reasons[trial["reason"]] = reasons.get(trial["reason"], 0) + 1
    return [f"{count} trial{'s' * (count > 1)} failed: {reason}" for reason, count in reasons.items()]


def _words(tried: Any) -> str:
    if isinstance(tried, list):
        return ", ".join(_said(value) for value in tried)
    scale = ", by orders of magnitude" if tried["log"] else ""
    return f"{_said(tried['low'])} to {_said(tried['high'])}{scale}"


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
