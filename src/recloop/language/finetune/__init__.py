"""Encoders fitted to a catalogue and to behaviour. Needs the extra ``lm``; what comes out is served without it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recloop.data.dataset import Dataset
from recloop.language.finetune.settings import Finetune
from recloop.neural.extra import require_lm
from recloop.progress import SILENT, Progress

if TYPE_CHECKING:
    from recloop.language.finetune.train import Tuned

__all__ = ["Finetune", "finetune"]


def finetune(
    dataset: Dataset,
    folder: Path,
    settings: Finetune | Mapping[str, Any] | None = None,
    *,
    progress: Progress = SILENT,
) -> "Tuned":
    """Fit an encoder to a catalogue and to what people take together.

    Args:
        dataset: what is learned from. Give the training part of a split: pairs of later events would tell the future.
        folder: empty or new. It gets the encoder in the layout of sentence-transformers, whatever was added in training
            merged into its weights, so that ``load_encoder(str(folder))`` and any setting ``encoder`` open it.
        settings: how; a table as ``Finetune.of`` reads it, the defaults where None.
        progress: who watches.

    Raises:
        ExtraError: the extra ``lm`` is not installed.
        DataError: there is nothing to learn from, or the loss is not a number from the beginning.
        SettingError: the encoder has no files to train, or a batch does not fit into memory.
        ConflictError: the folder holds something.
        ArtifactError: the encoder's files cannot be trained.

    >>> from recloop.testing.strategy import small_shop
    >>> finetune(small_shop(), Path("tuned"), {"tune": "lorra"})
    Traceback (most recent call last):
    recloop.errors.SettingError: tune is 'lorra'. Did you mean 'lora'? Valid: adapter, full, head, lora, prompt, top.
    """
    if not isinstance(settings, Finetune):
        settings = Finetune.of(settings or {})
    require_lm("fine-tuning an encoder")
    from recloop.language.finetune.train import tune

    return tune(dataset, folder, settings, progress)
