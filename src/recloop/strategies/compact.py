"""Weights in fewer bytes: matrices as one byte per number, or two."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE, HALF = ":scale", ":half"
LEAST_COLUMNS = 8  # narrower matrices gain nothing: each row has a scale of four bytes


def compact(arrays: Mapping[str, NDArray[Any]], form: str) -> dict[str, NDArray[Any]]:
    """The same arrays, matrices of decimal numbers in another form; everything else as it is.

    ``"int8"``: each row as whole numbers from -127 to 127 times a scale of its own, its greatest absolute value / 127
    (Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
    section 2.1, symmetric). ``"f16"``: half precision. ``""``: nothing.

    >>> small = compact({"W": np.full((2, 8), 0.5, np.float32), "n": np.arange(3)}, "int8")
    >>> {name: str(array.dtype) for name, array in small.items()}
    {'W': 'int8', 'W:scale': 'float32', 'n': 'int64'}
    >>> bool((expand(small)["W"] == 0.5).all())
    True
    """
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        matrix = array.ndim == 2 and array.shape[1] >= LEAST_COLUMNS and array.dtype.kind == "f"
        if form == "int8" and matrix and np.isfinite(array).all():
            scale = np.abs(array).max(axis=1, keepdims=True).astype(np.float32) / 127
            codes = np.rint(array / np.where(scale > 0, scale, 1)).clip(-127, 127)
            found[name], found[name + SCALE] = codes.astype(np.int8), scale
        elif form and matrix and array.dtype.itemsize > 2 and np.abs(array).max(initial=0) < np.finfo(np.float16).max:
            found[name + HALF] = array.astype(np.float16)
        else:
            found[name] = array
    return found


def expand(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inverse of ``compact``, but for rounding."""
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if name + SCALE in arrays:
            found[name] = array.astype(np.float32) * arrays[name + SCALE]
        elif name.endswith(HALF):
            found[name.removesuffix(HALF)] = array.astype(np.float32)
        elif not name.endswith(SCALE):
            found[name] = array
    return found
