"""Encoders in fewer bytes that answer sooner. Needs the extra ``lm``; what comes out is served without it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recloop.language.compress.settings import Student
from recloop.neural.extra import require_lm
from recloop.progress import SILENT, Progress

if TYPE_CHECKING:
    from recloop.language.compress.distil import Distilled

__all__ = ["Student", "distil"]


def distil(
    texts: Sequence[str], folder: Path, settings: Student | None = None, *, progress: Progress = SILENT
) -> "Distilled":
    """Teach a small encoder to say what a large one says of these texts.

    The student starts from some of the teacher's layers and from its words. It minimises the distance of its vectors
    from the teacher's and, over each batch, the Kullback-Leibler divergence of the softmax of its cosines from the
    teacher's (Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network", section 2; vectors as in
    Reimers & Gurevych 2020, "Making monolingual sentence embeddings multilingual", section 2).

    Args:
        texts: to learn from, such as ``dataset.item_texts()``; no labels are needed.
        folder: empty or new. ``load_encoder(str(folder))`` opens the student.
        settings: how; the defaults where None.
        progress: who watches.

    Raises:
        ExtraError: the extra ``lm`` is not installed.
        DataError: there are fewer than two different texts.
        SettingError: the teacher has no files, or has fewer layers.
        ConflictError: the folder holds something.
    """
    require_lm("distilling an encoder")
    from recloop.language.compress.distil import distil as teach

    return teach(texts, folder, settings or Student(), progress)
