"""What is live, in one screen."""

from typing import Any

import polars as pl
from markupsafe import Markup

from recloop.app.experiments import running
from recloop.charts import Series, lines
from recloop.charts.scale import as_share
from recloop.dashboard.memory import Memory
from recloop.dashboard.page import day
from recloop.dashboard.reviews import told
from recloop.dashboard.trials import read, records
from recloop.dashboard.visit import Shown, Visit
from recloop.experiments.words import listed, number_of
from recloop.metrics.outcomes import DAY, slate_table
from recloop.store import Store

DAYS = 28.0  # that are drawn


def overview(visit: Visit) -> Shown:
    """What answers, how it goes, what the last experiment said, and what waits for somebody."""
    serving, store = visit.serving, visit.serving.store
    release, now = serving.engine.release, visit.now
    live = running(store)
    held = [one for one in store.overrides.all() if one.state(now) == "in force"]
    open_ = [one for one in store.reviews.all() if one.shown(now) == "open"]
    last = next((one for one in records(store) if one.started is not None), None)
    said = None if last is None else read(visit, last.name)
    values: dict[str, Any] = {
        "sentence": _sentence(release.name if release else "", len(live), len(open_), len(held)),
        "tone": "bad" if release is None else "warn" if open_ else "good",
        "release": release,
        "record": store.releases.active(),
        "experiment": last,
        "verdict": said,
        "findings": [told(store, one, now) for one in open_[:3]],
        "more": max(0, len(open_) - 3),
        "held": held,
        "traffic": traffic(visit.memory, store),
    }
    return Shown("overview.html", values, "Overview")


def _sentence(release: str, running_: int, open_: int, held: int) -> str:
    if not release:
        return "No release is active, so no slate can be asked for. Promote one on the page Releases."
    tests = (
        "no experiment runs"
        if not running_
        else f"{number_of('experiment', running_)} {'run' if running_ > 1 else 'runs'}"
    )
    waits = "no finding is open" if not open_ else f"{number_of('finding', open_)} {'are' if open_ > 1 else 'is'} open"
    people = "" if not held else f", and people hold {number_of('override', held)} over the policies"
    return f"Release {release} answers; {tests}, {waits}{people}."


def traffic(memory: Memory, store: Store) -> dict[str, Any] | None:
    """The last days with slates: tiles and two pictures; None where there never was a slate."""
    return memory.ask("traffic", lambda: _traffic(store))


def _traffic(store: Store) -> dict[str, Any] | None:
    newest = store.last_decision()
    if newest is None:
        return None
    since = (newest // DAY - DAYS + 1) * DAY
    decisions = store.decisions(since=since)
    events = store.events(since=since)
    table = slate_table(decisions.with_columns(variant=pl.lit("slates")), events)
    sent = table["clicked_slates"].null_count() < table.height
    by_day = (
        table.with_columns(day=(pl.col("first") // DAY) * DAY)
        .group_by("day")
        .agg(slates=pl.len(), clicked=(pl.col("clicked_slates").fill_null(0) > 0).sum())
        .sort("day")
    )
    whole = by_day.filter(pl.col("day") < newest // DAY * DAY)  # the last day is not over, and would look like a fall
    days = whole["day"].to_list()
    ticks = [(at, _day(at)) for at in days[:: max(1, len(days) // 5)]]
    latest = decisions.filter(pl.col("time") >= newest - DAY)
    empty = decisions.filter((pl.col("items").list.len() == 0) & (pl.col("policy") != "none")).height
    fell = decisions.filter(pl.col("fallback") != "").height
    latency = latest["latency"].quantile(0.99)
    clicked = int(by_day["clicked"].sum())
    tiles = [
        (f"{decisions.height:,}", f"slates in {number_of('day', by_day.height)}"),
        (f"{decisions['user'].n_unique():,}", "users"),
        (
            f"{clicked / max(table.height, 1):.1%}" if sent else "–",
            "slates with a click" if sent else "no clicks are sent",
        ),
        (f"{(latency or 0.0) * 1e3:.0f} ms", "99% are made within, last day"),
        (f"{empty / max(decisions.height, 1):.1%}", "empty slates"),
        (f"{fell / max(decisions.height, 1):.1%}", "made by a fallback"),
    ]
    plots = []
    if len(days) > 1:
        plots.append(
            lines([Series("slates", days, whole["slates"].to_list())], "Slates by day", x_ticks=ticks, reference=0.0)
        )
        if sent:
            share = (whole["clicked"] / whole["slates"]).to_list()
            plots.append(lines([Series("slates with a click", days, share)], "Share of slates with a click, by day",
                               x_ticks=ticks, form=as_share, reference=0.0))  # fmt: skip
    surfaces = listed(decisions["surface"].unique().sort().to_list()[:5])
    return {
        "tiles": tiles,
        "plots": [Markup(plot) for plot in plots],  # noqa: S704 -- our own pictures, escaped where they were made
        "caption": f"Surfaces: {surfaces}. The pictures show whole days in UTC.",
    }


def _day(seconds: float) -> str:
    return day(seconds).rsplit(" ", 1)[0]
