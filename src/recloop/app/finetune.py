"""``recloop finetune``: an encoder fitted to the catalogue and the training events of a plan."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from recloop.data.check import check
from recloop.data.source import read
from recloop.language.finetune import finetune as finetune_encoder
from recloop.loop.folder import whole_folder
from recloop.loop.plan import Plan
from recloop.loop.run import usable
from recloop.neural.extra import require_lm
from recloop.progress import SILENT, Progress

if TYPE_CHECKING:
    from recloop.language.finetune.train import Tuned


def finetune(
    plan: Plan,
    folder: Path,
    *,
    whole_log: bool = False,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.time,
) -> "Tuned":
    """Fine-tune the encoder of a plan's table ``[finetune]`` and write it into a new folder, whole or not at all.

    Args:
        plan: from ``read_plan``.
        folder: must not exist.
        whole_log: learn from the events, too, that the plan's split holds out. A run that judges with such an encoder
            has seen its test.
        progress: shows how far it has come.
        clock: seconds since 1970.

    Raises:
        ExtraError: the extra ``lm`` is not installed.
        DataError: the data cannot be used, or there is nothing to learn from.
        ConflictError: the folder exists.
        StoreError: the disk is full or cannot be written.
    """
    require_lm("fine-tuning an encoder")
    with whole_folder(folder) as draft:
        reading = read(plan.source, progress)
        usable(check(reading, clock()))
        dataset = reading.dataset if whole_log else plan.splitter(reading.dataset).train
        done = finetune_encoder(dataset, draft, plan.finetune, progress=progress)
    return replace(done, folder=folder)
