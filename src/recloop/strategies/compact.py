"""Weights in fewer bytes: matrices as half a byte per number, one, or two."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE, HALF, NIBBLES = ":scale", ":half", ":nibbles"
LEAST_COLUMNS = 8  # narrower matrices gain nothing: each row has a scale of four bytes
CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6)  # of a row's greatest absolute value, tried as the end of the scale of four bits
BLOCK = 2**15  # rows of which all ends are tried at a time


def compact(arrays: Mapping[str, NDArray[Any]], form: str) -> dict[str, NDArray[Any]]:
    """The same arrays, matrices of decimal numbers in another form; everything else as it is.

    ``"int8"``: each row as whole numbers from -127 to 127 times a scale of its own, its greatest absolute value / 127
    (Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
    section 2.1, symmetric). ``"int4"``: from -7 to 7, two numbers in a byte; what lies beyond the end of the scale is
    cut off there, and each row has the end that leaves the least squared error (Banner et al. 2019, "Post training
    4-bit quantization of convolutional networks for rapid-deployment", section 2). ``"f16"``: half precision. ``""``:
    nothing.

    >>> small = compact({"W": np.full((2, 8), 0.5, np.float32), "n": np.arange(3)}, "int8")
    >>> {name: str(array.dtype) for name, array in small.items()}
    {'W': 'int8', 'W:scale': 'float32', 'n': 'int64'}
    >>> bool((expand(small)["W"] == 0.5).all())
    True
    """
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        matrix = is_matrix(array)
        if form == "int8" and matrix and np.isfinite(array).all():
            found[name], found[name + SCALE] = _codes(array, 127, 1.0)
        elif form == "int4" and matrix and np.isfinite(array).all():
            codes, found[name + SCALE] = _least_error(array)
            found[name + NIBBLES] = _packed(codes)
        elif form and matrix and array.dtype.itemsize > 2 and np.abs(array).max(initial=0) < np.finfo(np.float16).max:
            found[name + HALF] = array.astype(np.float16)
        else:
            found[name] = array
    return found


def expand(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inverse of ``compact``, but for rounding."""
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if name.endswith(NIBBLES):
            whole = name.removesuffix(NIBBLES)
            found[whole] = _unpacked(array) * arrays[whole + SCALE]
        elif name + SCALE in arrays:
            found[name] = array.astype(np.float32) * arrays[name + SCALE]
        elif name.endswith(HALF):
            found[name.removesuffix(HALF)] = array.astype(np.float32)
        elif not name.endswith(SCALE):
            found[name] = array
    return found


def is_matrix(array: NDArray[Any]) -> bool:
    """Whether its form can be changed."""
    return array.ndim == 2 and len(array) > 0 and array.shape[1] >= LEAST_COLUMNS and array.dtype.kind == "f"


def _codes(array: NDArray[Any], most: int, clip: float) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scale = clip * np.abs(array).max(axis=1, keepdims=True).astype(np.float32) / most
    return np.rint(array / np.where(scale > 0, scale, 1)).clip(-most, most).astype(np.int8), scale


def _least_error(array: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    codes, scale = np.empty(array.shape, np.int8), np.empty((len(array), 1), np.float32)
    for low in range(0, len(array), BLOCK):
        rows = slice(low, low + BLOCK)
        tried = [_codes(array[rows], 7, clip) for clip in CLIPS]
        errors = [np.square(found * by - array[rows]).sum(axis=1) for found, by in tried]
        for clip, best in enumerate(np.argmin(errors, axis=0) == np.arange(len(CLIPS))[:, None]):
            codes[rows][best], scale[rows][best] = (part[best] for part in tried[clip])
    return codes, scale


def _packed(codes: NDArray[np.int8]) -> NDArray[np.uint8]:
    """(n, m) from -7 to 7 → (n, m / 2 rounded up), two in a byte; 0, which is no code, fills up."""
    halves = np.pad(codes + 8, ((0, 0), (0, codes.shape[1] % 2))).astype(np.uint8)
    return halves[:, 0::2] | (halves[:, 1::2] << 4)


def _unpacked(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    codes = np.empty((len(packed), 2 * packed.shape[1]), np.uint8)
    codes[:, 0::2], codes[:, 1::2] = packed & 15, packed >> 4
    return codes[:, : int((codes[0] > 0).sum())].astype(np.float32) - 8
