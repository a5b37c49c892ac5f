"""A linear map on top of an encoder's vectors, as sentence-transformers saves it (``2_Dense``)."""

import json

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ArtifactError
from recloop.language.files import DENSE, DENSE_CONFIG, EncoderFiles

Dense = tuple[NDArray[np.float32], NDArray[np.float32]]


def read_dense(files: EncoderFiles, width: int) -> Dense | None:
    """The (out, width) matrix and the (out,) shift; None where the encoder has none.

    Raises:
        ArtifactError: the files are damaged, of another width, or ask for an activation.
    """
    config, weights = files.path(DENSE_CONFIG), files.path(DENSE)
    if not config.is_file():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        activation = json.loads(config.read_text(encoding="utf-8"))["activation_function"]
        found = load_file(weights)
        matrix = found["linear.weight"].astype(np.float32)
        shift = found.get("linear.bias", np.zeros(len(matrix), np.float32))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{config.parent} holds no linear map ({error})", advice="save the model again") from error
    if not str(activation).endswith("Identity") or matrix.ndim != 2 or matrix.shape[1] != width:
        raise ArtifactError(
            f"{config.parent} holds a map of shape {matrix.shape} with the activation {activation}",
            allowed=f"it must read {width} numbers, without an activation",
        )
    return matrix, shift
