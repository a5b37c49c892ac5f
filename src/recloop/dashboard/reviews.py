"""The queue of findings: what hurts, who looks after it, and what became of it."""

from collections.abc import Mapping
from typing import Any

from recloop.app.reviews import Change, change_review, quotes
from recloop.dashboard.visit import Sent, Shown, Visit
from recloop.store import Store
from recloop.store.reviews import Review

ORDER = {"open": 0, "muted": 1, "resolved": 2}


def told(store: Store, one: Review, now: float) -> dict[str, Any]:
    """A finding as pages show it; what its report lacks is empty."""
    finding = one.finding
    cause: Mapping[str, Any] = finding.get("cause") or {}
    return {
        "review": one,
        "state": one.shown(now),
        "title": finding.get("title") or finding.get("metric") or one.id,
        "slice": ", ".join(f"{name} {value}" for name, value in (finding.get("slice") or {}).items()) or "everywhere",
        "sentence": finding.get("sentence", ""),
        "advice": finding.get("advice", ""),
        "cause": cause.get("sentence") or cause.get("what", ""),
        "consequence": finding.get("kind") == "consequence",
        "quotes": quotes(store, finding),
    }


def reviews(visit: Visit) -> Shown:
    """All findings, open ones first."""
    now, store = visit.now, visit.serving.store
    rows = sorted((told(store, one, now) for one in store.reviews.all()), key=lambda row: ORDER[row["state"]])
    counts = {state: sum(row["state"] == state for row in rows) for state in ORDER}
    people = [one.name for one in visit.serving.store.accounts.all() if one.disabled is None]
    return Shown("reviews.html", {"rows": rows, "counts": counts, "people": people}, "Review queue")


def look(visit: Visit) -> Sent:
    """Look for problems now, and bring them here."""
    visit.serving.review_problems(actor=visit.name)
    return Sent("/dashboard/reviews", "looked")


def change(visit: Visit) -> Sent:
    """Assign, mute, resolve or reopen a finding."""
    form = visit.form
    days = visit.number("days", "the number of days") if form.get("do") == "mute" else 0.0
    wish = Change(form.get("do", ""), assignee=form.get("assignee", ""), days=days, note=form.get("note", ""))
    change_review(visit.serving.store, visit.path["name"], wish, now=visit.now, actor=visit.name)
    return Sent("/dashboard/reviews", "reviewed")
