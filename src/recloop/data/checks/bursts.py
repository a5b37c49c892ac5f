"""Attacks on the log itself: many new users on one item, or one user beyond all others."""

from recloop.data.bursts import find_bursts
from recloop.data.checks.finding import Section, count, moment, warning
from recloop.data.dataset import Dataset

SHOWN = 20


def bursts(data: Dataset) -> Section:
    """Bursts that look made."""
    found = find_bursts(data.events)
    names = {"item": data.item_ids, "user": data.user_ids}
    figures = {
        "bursts": [
            {
                "kind": one.kind,
                "who": names[one.kind][one.who][:64],
                "start": moment(one.start),
                "end": moment(one.end),
                "events": one.events,
                "users": one.users,
                "expected": one.expected,
            }
            for one in found.bursts[:SHOWN]
        ],
        "events": found.events,
    }
    if not found.bursts:
        return {"bursts": figures}, []
    first = found.bursts[0]
    what = f"{count(first.users, 'new user')} on one item" if first.kind == "item" else "one user"
    sentence = (
        f"{count(found.events, 'event')} ({found.events / data.n_events:.1%}) look made, in "
        f"{count(len(found.bursts), 'burst')}; the largest: {what}, {count(first.events, 'event')} from "
        f"{moment(first.start)}. Set [data] quarantine = true to train without them."
    )
    return {"bursts": figures}, [warning("bursts", sentence)]
