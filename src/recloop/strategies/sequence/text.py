from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.errors import ArtifactError
from recloop.language.item_vectors import vectors
from recloop.progress import Progress

WHITENING = 0.5  # of the texts that item vectors are made from: a linear map learns from them faster


def items_from_text(
    state: Mapping[str, NDArray[np.float32]], dataset: Dataset, encoder: str, progress: Progress
) -> NDArray[np.float32]:
    """(n_items, width): what a trained network makes of the texts of a catalogue.

    Raises:
        ArtifactError: the encoder gives vectors of another length than the network was trained with.
    """
    text = vectors(dataset, encoder, whitening=WHITENING, progress=progress)
    weight, bias = state["items.adapt.weight"], state["items.adapt.bias"]
    if text.shape[1] != weight.shape[1]:
        raise ArtifactError(
            f"the encoder '{encoder}' gives vectors of {text.shape[1]} numbers",
            allowed=f"this strategy was trained with vectors of {weight.shape[1]}",
            advice="use the encoder that it was trained with, or train again",
        )
    found: NDArray[np.float32] = text @ weight.T + bias
    return found
