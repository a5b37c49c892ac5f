"""``recloop run``: the life of a run, with its report."""

import time
from collections.abc import Callable
from pathlib import Path

from recloop.compose import SlateConfig, SlotsConfig
from recloop.loop.plan import Plan
from recloop.loop.run import Run
from recloop.loop.run import run as run_plan
from recloop.progress import SILENT, Progress
from recloop.report.report import Reproduction, report


def run(
    plan: Plan,
    *,
    dry_run: bool = False,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.time,
    command: str = "recloop run",
) -> Run:
    """Run a plan and write its report into the run's folder.

    Args:
        plan: from ``read_plan``.
        dry_run: say what would be done, and write nothing.
        progress: shows how far it has come.
        clock: seconds since 1970.
        command: how the run is made again, for the report.

    Raises:
        DataError: the data cannot be used.
        StoreError: the disk is full or cannot be written; what was there is whole.
    """

    def write_report(done: Run, folder: Path) -> None:
        text = report(
            title=f"Which strategy suits {Path(plan.data.events).name}",
            results=done.results,
            check=done.check.to_dict(),
            reproduction=reproduction(done, command),
            now=clock(),
        )
        (folder / "report.html").write_text(text, encoding="utf-8")

    return run_plan(plan, progress=progress, dry_run=dry_run, write_report=write_report)


def reproduction(done: Run, command: str) -> Reproduction:
    """How to make a run again, and what it hangs on."""
    return Reproduction(
        command,
        [
            ("plan (SHA-256)", done.plan_hash),
            ("data (SHA-256)", done.data_fingerprint),
            ("split", str(done.results["split"]["name"])),
            ("seed", str(done.plan.run.seed)),
            ("composed of", _composed(done)),
            ("item vectors", done.vectors or "none"),
        ],
    )


def _composed(done: Run) -> str:
    if isinstance(done.policy, SlateConfig):
        return ", ".join(f"{name} {weight:g}" for name, weight in done.policy.weights.items())
    if isinstance(done.policy, SlotsConfig):
        return "slots: " + ", ".join(f"{name} {slot.size}" for name, slot in done.policy.slots.items())
    return "arms: " + ", ".join(done.policy.arms) if done.policy else "nothing"
