"""``recloop compress``: a smaller release, judged on the data of the plan that made it."""

from pathlib import Path

from recloop.data.source import read
from recloop.errors import MissingError
from recloop.loop.compress import Compression
from recloop.loop.compress import compress as compress_release
from recloop.loop.plan import Plan
from recloop.progress import SILENT, Progress


def compress(
    plan: Plan,
    folder: Path,
    *,
    max_loss: float | None = None,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> Compression:
    """Write a smaller release beside the one in a folder.

    Args:
        plan: that made the release.
        folder: of the release.
        max_loss: share of the plan's first metric that may be lost; the plan's own where None.
        out: the new folder; beside the old one where None.
        progress: shows how far it has come.

    Raises:
        MissingError: there is no such folder.
        ConflictError: nothing became smaller for that loss, or the new folder exists.
    """
    if not folder.is_dir():
        raise MissingError(f"there is no folder {folder}", advice="name the release of a run: runs/…/release")
    dataset = read(plan.source, progress).dataset
    return compress_release(plan, folder, dataset, max_loss=max_loss, target=out, progress=progress)
