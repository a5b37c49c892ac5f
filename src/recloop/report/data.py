from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from recloop.charts import Series, bars, lines
from recloop.charts.scale import number

TONES = {"info": "", "warning": "warning", "error": "error"}


def data(check: Mapping[str, Any]) -> dict[str, Any]:
    """The section on the data, from ``Check.to_dict()``: size, findings, events per kind and over time."""
    counts = check["counts"]
    tiles = [
        {"value": f"{counts['events']:,}", "label": "events"},
        {"value": f"{counts['active_users']:,}", "label": "users with events"},
        {"value": f"{counts['active_items']:,} of {counts['items']:,}", "label": "items with events"},
        {"value": f"{counts['density']:.2%}", "label": "of all user-item pairs seen"},
    ]
    if check["time"].get("days"):
        tiles.append({"value": f"{check['time']['days']:,.0f} days", "label": f"from {check['time']['first'][:10]}"})
    return {
        "sentence": check["sentence"],
        "tiles": tiles,
        "findings": [
            {"tone": TONES[one["severity"]], "word": one["topic"], "sentence": one["sentence"]}
            for one in check["findings"]
        ],
        "plots": [*_kinds(check), *_over_time(check)],
        "files": check["files"],
        "notes": check["notes"],
    }


def _kinds(check: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [(one["kind"], float(one["events"])) for one in check["kinds"]]
    picture = Markup(bars(rows, "Events of each kind"))  # noqa: S704 -- our own picture, escaped where it was made
    return [{"svg": picture, "caption": "Events of each kind."}]


def _over_time(check: Mapping[str, Any]) -> list[dict[str, Any]]:
    bins = check["time"].get("bins")
    if not bins or len(bins["events"]) < 2:
        return []
    x = list(range(len(bins["events"])))
    last = len(x) - 1
    ticks = [(i, datetime.fromisoformat(bins["start"][i]).strftime("%-d %b %Y")) for i in (last // 8, last - last // 8)]
    picture = lines(
        [Series("events", x, [float(v) for v in bins["events"]])],
        "Events over time",
        reference=0.0,
        x_ticks=ticks,
        form=number,
    )
    return [{"svg": Markup(picture), "caption": "Events over time."}]  # noqa: S704 -- as above
