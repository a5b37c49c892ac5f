"""Weights in fewer bytes: matrices as six bits per number, eight, or sixteen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE, HALF, SIXES = ":scale", ":half", ":sixes"
MOST = {"int8": 127, "int6": 31}  # the greatest whole number of a form
LEAST_COLUMNS = 8  # narrower matrices gain nothing: each row has a scale of four bytes
SHIFTS = np.arange(0, 24, 6, dtype=np.uint32)  # of four numbers in three bytes


def compact(arrays: Mapping[str, NDArray[Any]], form: str) -> dict[str, NDArray[Any]]:
    """The same arrays, matrices of decimal numbers in another form; everything else as it is.

    ``"int8"``: each row as whole numbers from -127 to 127 times a scale of its own, its greatest absolute value / 127
    (Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
    section 2.1, symmetric). ``"int6"``: likewise from -31 to 31, four numbers in three bytes. ``"f16"``: half
    precision. ``""``: nothing.

    >>> small = compact({"W": np.full((2, 8), 0.5, np.float32), "n": np.arange(3)}, "int8")
    >>> {name: str(array.dtype) for name, array in small.items()}
    {'W': 'int8', 'W:scale': 'float32', 'n': 'int64'}
    >>> bool((expand(small)["W"] == 0.5).all())
    True
    """
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        matrix = is_matrix(array)
        if form in MOST and matrix and np.isfinite(array).all():
            scale = np.abs(array).max(axis=1, keepdims=True).astype(np.float32) / MOST[form]
            codes = np.rint(array / np.where(scale > 0, scale, 1)).clip(-MOST[form], MOST[form]).astype(np.int8)
            found |= {name: codes} if form == "int8" else {name + SIXES: _packed(codes)}
            found[name + SCALE] = scale
        elif form and matrix and array.dtype.itemsize > 2 and np.abs(array).max(initial=0) < np.finfo(np.float16).max:
            found[name + HALF] = array.astype(np.float16)
        else:
            found[name] = array
    return found


def expand(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inverse of ``compact``, but for rounding."""
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if name.endswith(SIXES):
            whole = name.removesuffix(SIXES)
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


def _packed(codes: NDArray[np.int8]) -> NDArray[np.uint8]:
    """(n, m) from -31 to 31 → (n, 3 x m / 4, rounded up): four in three bytes; 0, which is no code, fills up."""
    fours = np.pad(codes + 32, ((0, 0), (0, -codes.shape[1] % 4))).astype("<u4").reshape(len(codes), -1, 4)
    words = np.bitwise_or.reduce(fours << SHIFTS, axis=2, keepdims=True)
    return words.view(np.uint8)[..., :3].reshape(len(codes), -1)


def _unpacked(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    bytes_ = np.pad(packed.reshape(len(packed), -1, 3), ((0, 0), (0, 0), (0, 1)))
    codes = ((bytes_.view("<u4") >> SHIFTS) & 63).reshape(len(packed), -1)
    return codes[:, : int((codes[0] > 0).sum())].astype(np.float32) - 32
