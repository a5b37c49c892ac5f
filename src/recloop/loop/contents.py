"""What a file of a release may hold, told by its bytes: its name proves nothing."""

import json
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from numpy.lib import format as npy

KINDS = (".json", ".parquet", ".npz", ".safetensors", ".onnx", ".lightgbm")
LONGEST_HEADER = 100 * 2**20


def objection(path: Path) -> str:
    r"""Why a file is not what its name says, or is nothing that a release may hold; "" where it is in order.

    A pickle runs code when it is read, so it is refused under every name and inside every archive. Nothing is
    unpickled to find out: each kind begins with bytes that no pickle begins with.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "weights.npz"
    >>> _ = file.write_bytes(b"\x80\x04N.")
    >>> objection(file)
    'it is a pickle, which runs code when it is read'
    """
    kind = path.suffix
    if kind not in KINDS:
        return f"a release holds only {', '.join(KINDS)}"
    with path.open("rb") as file:
        start = file.read(16)
        if _is_pickle(start):
            return "it is a pickle, which runs code when it is read"
        file.seek(0)
        try:
            return _LOOKS[kind](file)
        except (OSError, ValueError, KeyError, RecursionError, BadZipFile) as error:
            return f"it is no {kind[1:]} file ({type(error).__name__})"


def _is_pickle(start: bytes) -> bool:
    """Protocols 2 to 5 begin with 0x80 and their number; a zip of torch.save is told by its members."""
    return len(start) > 1 and start[0] == 0x80 and start[1] <= 5


def _json(file: IO[bytes]) -> str:
    json.loads(file.read())
    return ""


def _parquet(file: IO[bytes]) -> str:
    if file.read(4) != b"PAR1":
        return "it is no parquet file"
    file.seek(-4, 2)
    return "" if file.read(4) == b"PAR1" else "it is no parquet file"


def _npz(file: IO[bytes]) -> str:
    with ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if not name.endswith(".npy"):
                    kind = "a pickle" if _is_pickle(member.read(2)) else "no array"
                    return f"its member {name} is {kind}"
                if _holds_objects(member):
                    return f"its member {name} holds objects, which are kept as a pickle (allow_pickle=False)"
    return ""


def _holds_objects(member: IO[bytes]) -> bool:
    version = npy.read_magic(member)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    dtype: Any = read(member)[2]
    return bool(dtype.hasobject)


def _safetensors(file: IO[bytes]) -> str:
    size = int.from_bytes(file.read(8), "little")
    if not 2 <= size <= LONGEST_HEADER:
        return "it is no safetensors file"
    return "" if isinstance(json.loads(file.read(size)), dict) else "it is no safetensors file"


def _onnx(file: IO[bytes]) -> str:
    """A ModelProto: a field with a small number and a known wire type comes first, ``ir_version`` as a rule."""
    return "" if file.read(1) == b"\x08" else "it is no onnx file"


def _lightgbm(file: IO[bytes]) -> str:
    """A model as text, that reads as numbers."""
    text = file.read()
    return "" if text.startswith(b"tree\n") and text.isascii() and b"\0" not in text else "it is no lightgbm file"


_LOOKS = {
    ".json": _json,
    ".parquet": _parquet,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".lightgbm": _lightgbm,
}
