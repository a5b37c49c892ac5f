"""Releases and the audit log as pages."""

from recloop.dashboard.visit import Sent, Shown, Visit
from recloop.errors import SettingError

LINES = 200  # of the audit log that are shown


def releases(visit: Visit) -> Shown:
    """Which there are, which one answers, and which one would after a rollback."""
    store = visit.serving.store
    known = list(reversed(visit.serving.releases.all()))
    return Shown("releases.html", {"rows": known, "before": store.releases.previous()}, "Releases")


def promote(visit: Visit) -> Sent:
    """Answer from a release, once somebody has typed its name."""
    name = visit.path["name"]
    _confirmed(visit, name)
    why = visit.form.get("reason", "").strip()
    visit.serving.releases.promote(name, actor=visit.name, force=bool(visit.form.get("force")), reason=why)
    return Sent("/dashboard/releases", "promoted")


def rollback(visit: Visit) -> Sent:
    """Answer from the release before, once somebody has typed its name."""
    before = visit.serving.store.releases.previous()
    _confirmed(visit, before.name if before else "")
    visit.serving.releases.rollback(actor=visit.name)
    return Sent("/dashboard/releases", "rolled-back")


def audit(visit: Visit) -> Shown:
    """Who changed what, newest first."""
    lines = visit.serving.store.audit.lines(5 * LINES)
    wanted = visit.query.get("about", "").strip()[:100]
    shown = [one for one in lines if not wanted or wanted.lower() in f"{one.actor} {one.action} {one.subject}".lower()]
    return Shown("audit.html", {"lines": shown[:LINES], "about": wanted, "most": LINES}, "Audit")


def _confirmed(visit: Visit, name: str) -> None:
    if name and visit.form.get("confirm", "").strip() != name:
        raise SettingError("the name of the release was not confirmed", advice=f"type {name} into the field")
