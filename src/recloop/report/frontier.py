"""The page of ``recloop compose tune``: the front, the points to take, and how far they can be believed."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from markupsafe import Markup

from recloop.charts import Interval, Point, Series, intervals, lines, scatter
from recloop.charts.scale import number
from recloop.metrics import parse_metric
from recloop.report.page import render

PAIRS = 3  # pictures of two aims each


def frontier_page(
    found: Mapping[str, Any], snippets: Mapping[str, str], command: str, now: float, *, simulation: bool = False
) -> str:
    """The page of one search of policies.

    Args:
        found: ``FrontFound.to_dict()``.
        snippets: pick → its policy as TOML.
        command: that made it.
        now: seconds since 1970.
        simulation: whether policies were judged in a made-up world.
    """
    aims = found["aims"]
    values = {
        "title": "Policies that no other beats",
        "found": found,
        "command": command,
        "aims": aims,
        "tiles": [
            {"label": "policies tried", "value": str(len(found["trials"]))},
            {"label": "beaten by no other", "value": str(len(found["front"]))},
            {"label": "volume of the front, 0 to 1", "value": number(round(found["volume"], 3))},
            {"label": "volume of single strategies", "value": number(round(found["alone"], 3))},
        ],
        "fronts": [
            {"svg": Markup(front_picture(found, x, y)), "x": x, "y": y}  # noqa: S704 -- our own pictures
            for x, y in list(combinations(aims, 2))[:PAIRS]
        ],
        "course": Markup(_course(found["course"])),  # noqa: S704 -- as above
        "picks": [
            {
                **pick,
                "said": ", ".join(pick["name"].split("-")),
                "because": pick["why"][:1].upper() + pick["why"][1:],
                "alone": next((_single(one) for one in found["trials"] if one["number"] == pick["trial"]), ""),
                "toml": snippets[pick["name"]],
                "rows": [
                    {"aim": aim, "value": f"{pick['values'][aim]:.4g}", "confirmed": _said(pick["confirmed"].get(aim))}
                    for aim in [*aims, *(name for name in pick["confirmed"] if name not in aims)]
                ],
                "pictures": [
                    {"aim": aim, "svg": Markup(svg)}  # noqa: S704 -- as above
                    for aim in aims
                    if (svg := _against(pick["against"], aim))
                ],
            }
            for pick in found["picks"]
        ],
    }
    return render("frontier.html", values, kind="search for policies", now=now, simulation=simulation)


def front_picture(found: Mapping[str, Any], x: str, y: str) -> str:
    """All policies on two aims as SVG; the front of all aims stands out, and picks and single strategies have names."""
    picked = {pick["trial"]: pick["name"] for pick in found["picks"]}
    alone = {trial["number"]: _single(trial) for trial in found["trials"]}
    points = [
        Point(
            alone[trial["number"]] or picked.get(trial["number"], "").replace("-", ", "),
            _merit(x, trial["values"][x]),
            _merit(y, trial["values"][y]),
            front=trial["number"] in found["front"] and len(found["aims"]) == 2,
            tone="good" if trial["number"] in picked else "first" if trial["number"] in found["front"] else "quiet",
        )
        for trial in found["trials"]
        if trial["state"] == "complete" and not trial["reason"]
    ]
    return scatter(points, f"{x} against {y}", x_label=_axis(x), y_label=_axis(y))


def _single(trial: Mapping[str, Any]) -> str:
    """The name of the strategy where a trial is one alone; empty where it is not."""
    settings = trial["settings"]
    sources = [name.partition(":")[2] for name, value in settings.items() if name.startswith("source:") and value > 0]
    others = any(value > 0 for name, value in settings.items() if not name.startswith("source:"))
    return sources[0] if len(sources) == 1 and not others else ""


def _merit(aim: str, value: float) -> float:
    try:
        return parse_metric(aim).merit(value)
    except Exception:  # noqa: BLE001 -- what a simulator measures has a name of its own
        return value


def _axis(aim: str) -> str:
    return aim if _merit(aim, 1.0) > 0 else f"-{aim}"


def _course(course: Sequence[float]) -> str:
    return lines(
        [Series("volume of the front", list(range(1, len(course) + 1)), list(course))],
        "Volume of the front after each trial",
        x_label="trial",
        y_label="volume",
    )


def _against(against: Sequence[Mapping[str, Any]], aim: str) -> str:
    rows = [
        Interval(one["strategy"], one["difference"], one["low"], one["high"]) for one in against if one["aim"] == aim
    ]
    return intervals(rows, f"{aim}: minus each single strategy", reference=0.0) if rows else ""


def _said(found: Sequence[float] | None) -> str:
    return "–" if found is None else f"{found[0]:.4g} ({found[1]:.4g} to {found[2]:.4g})"
