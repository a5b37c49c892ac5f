import time
from dataclasses import dataclass
from pathlib import Path

from recloop.data.check import Check
from recloop.data.check import check as look
from recloop.data.source import Reading, read
from recloop.data.split import Temporal
from recloop.loop.folder import write_whole
from recloop.loop.plan import Plan
from recloop.progress import SILENT, Progress
from recloop.report.check_page import check_page


@dataclass(frozen=True)
class Checked:
    """What was read, what was found in it, and the page that shows it (None where none was asked for).

    ``usable`` says whether a run of the plan would begin: without times only a split by time is impossible.
    """

    reading: Reading
    check: Check
    page: Path | None
    usable: bool


def check(plan: Plan, *, page: Path | None = None, now: float | None = None, progress: Progress = SILENT) -> Checked:
    """Read the data of a plan and say what is in it and what is wrong with it.

    Args:
        plan: its ``[data]`` table says where the data lies.
        page: where to write the HTML page.
        now: seconds since 1970; the clock's where None.
        progress: shows how far reading has come.

    Raises:
        DataError: the files cannot be read, or hold too many bad rows.
        StoreError: the page cannot be written.
    """
    now = time.time() if now is None else now
    reading = read(plan.source, progress)
    found = look(reading, now)
    if page is not None:
        text = check_page(found.to_dict(), now)
        page.parent.mkdir(parents=True, exist_ok=True)
        write_whole(page, text)
    errors = {finding.topic for finding in found.findings if finding.severity == "error"}
    if plan.split["name"] != Temporal.name:
        errors -= {"time"}
    return Checked(reading, found, page, usable=not errors)
