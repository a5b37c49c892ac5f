"""Weights of a network as arrays, read where they lie on disk."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ArtifactError

# The dtypes of safetensors that hold decimal numbers; bfloat16 is the upper half of a float32.
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
LONGEST_HEADER = 100 * 2**20


class Weights(Mapping[str, NDArray[np.float32]]):
    """Name → float32 array, from one or several safetensors files. Nothing is in memory before it is asked for.

    The layout is eight bytes with the length of a JSON header, the header (name → dtype, shape, place), then the
    numbers (https://github.com/huggingface/safetensors, "Format").

    Args:
        paths: the files.

    Raises:
        ArtifactError: a file is damaged.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._stored: dict[str, NDArray[Any]] = {}
        for path in paths:
            try:
                self._stored.update(_tensors(path))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise ArtifactError(
                    f"{path} holds no readable weights ({error})", advice="download the model again"
                ) from error

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        stored = self._stored[name]
        if stored.dtype == _DTYPES["BF16"]:
            return (stored.astype(np.uint32) << 16).view(np.float32)
        return stored.astype(np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def below(self, anchor: str) -> "Weights":
        """The same weights by the names that they have inside the part that holds ``anchor``.

        A network is saved alone or inside another one, whose names then stand before its own (``bert.``, ``model.``).
        """
        found = sorted((name for name in self._stored if name == anchor or name.endswith(f".{anchor}")), key=len)
        prefix = found[0].removesuffix(anchor) if found else ""
        inner = object.__new__(Weights)
        inner.paths = self.paths
        inner._stored = {
            name.removeprefix(prefix): array for name, array in self._stored.items() if name.startswith(prefix)
        }
        return inner

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Compare with what a network needs.

        Raises:
            ArtifactError: a tensor is missing or of another shape.
        """
        for name, shape in shapes.items():
            if name not in self._stored or self._stored[name].shape != shape:
                found = f"has shape {self._stored[name].shape}" if name in self._stored else "is missing"
                raise ArtifactError(
                    f"{self.paths[0]}: tensor {name} {found}",
                    allowed=f"its shape is to be {shape}",
                    advice="download the model again",
                )


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Name → array as it is stored, mapped into memory."""
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if not 2 <= size <= LONGEST_HEADER:
            raise ValueError(f"a header of {size:,} bytes")
        header = json.loads(stream.read(size))
    body = np.memmap(path, np.uint8, mode="r", offset=8 + size) if path.stat().st_size > 8 + size else np.empty(0, "u1")
    found = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in _DTYPES:
            continue
        start, stop = entry["data_offsets"]
        dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
        if not 0 <= start <= stop <= len(body) or stop - start != dtype.itemsize * prod(shape):
            raise ValueError(f"tensor {name} lies outside of the file")
        found[name] = body[start:stop].view(dtype).reshape(shape)
    return found
