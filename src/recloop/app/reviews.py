"""The queue of findings: reports of the problem finder come in, people look after what they found."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from recloop.errors import DataError, SettingError, nearest
from recloop.metrics.outcomes import DAY
from recloop.store import Store
from recloop.store.reviews import FINDER, Review, Taken

DOES = {
    "assign": "say who looks after it",
    "mute": "leave it alone for some days",
    "resolve": "it is mended; it is open again when it returns",
    "reopen": "it is not mended after all",
}


class Change(NamedTuple):
    """What is to become of a finding: one of ``DOES``, with the words and numbers that it needs."""

    do: str
    assignee: str = ""
    days: float = 0.0
    note: str = ""


class _Finding(msgspec.Struct):
    id: str
    change_day: str | None = None


class _Report(msgspec.Struct):
    findings: list[_Finding]
    verdict: str = ""
    sentence: str = ""
    tests: int | None = None


def take_report(store: Store, report: Mapping[str, Any], *, actor: str = FINDER) -> Taken:
    """Take over what ``recloop ux problems --json`` found: new findings wait, those that returned are open again.

    Args:
        store: where the queue is.
        report: JSON values with ``findings``, each with an ``id`` that stays the same.
        actor: who brings it.

    Raises:
        DataError: it is not such a report, or it says that the data cannot be trusted or are too few: then it found
            nothing because it did not look, and nothing is gone.
    """
    try:
        parsed = msgspec.convert(report, _Report)
    except msgspec.ValidationError as error:
        raise DataError(
            f"this is no report of findings: {error}", advice="make one: recloop ux problems --json > problems.json"
        ) from None
    if parsed.verdict == "invalid":
        raise DataError(f"the report found nothing because its data cannot be trusted: {parsed.sentence}")
    if parsed.tests == 0 and not parsed.findings:
        raise DataError(f"the report found nothing because there was too little to look at: {parsed.sentence}")
    if wrong := next((one.id for one in parsed.findings if not 1 <= len(one.id) <= 100), None):
        raise DataError(f"a finding has the id '{wrong[:100]}'", allowed="ids have 1 to 100 characters")
    once = {str(one["id"]): _without_texts(one) for one in report["findings"]}
    return store.reviews.take(list(once.values()), actor=actor)


def quotes(store: Store, finding: Mapping[str, Any]) -> list[str]:
    """What users wrote, of a finding, as the store has it; what was erased or archived is not there."""
    said = finding.get("said")
    examples = said.get("examples") if isinstance(said, Mapping) else None
    ids = [str(one.get("id", "")) for one in examples or () if isinstance(one, Mapping)]
    return store.texts(ids[:3]) if ids else []


def _without_texts(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    """The finding with the ids of what users wrote alone: who is erased is not to live on in a queue."""
    said = finding.get("said")
    if not isinstance(said, Mapping) or not isinstance(said.get("examples"), list):
        return finding
    kept = [{"id": one.get("id", "")} for one in said["examples"] if isinstance(one, Mapping)]
    return {**finding, "said": {**said, "examples": kept}}


def change_review(store: Store, name: str, wish: Change, *, now: float, actor: str) -> Review:
    """Do something about a finding.

    Raises:
        SettingError: there is no such thing to do, or a word or number is not allowed.
        MissingError: there is no such finding.
        ConflictError: it is so already.
    """
    if wish.do not in DOES:
        raise SettingError(f"there is nothing called '{wish.do[:40]}' to do", advice=nearest(wish.do, DOES))
    if len(wish.assignee) > 100 or len(wish.note) > 2000:
        raise SettingError("the name or the note is too long", allowed="100 characters for a name, 2000 for a note")
    queue, note = store.reviews, wish.note.strip()
    if wish.do == "assign":
        return queue.assign(name, wish.assignee.strip(), actor=actor, note=note)
    if wish.do == "mute":
        if not 0 < wish.days <= 365:
            raise SettingError(f"it is to be muted for {wish.days:g} days", allowed="above 0, up to 365")
        return queue.mute(name, now + wish.days * DAY, actor=actor, note=note)
    return (queue.resolve if wish.do == "resolve" else queue.reopen)(name, actor=actor, note=note)
