"""Bytes of a file: found, unpacked, decoded."""

import codecs
import zlib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recloop.data.problems import Problems
from recloop.errors import DataError, MissingError, SettingError

GZIP = b"\x1f\x8b"
HEAD_BYTES = 2**18


def existing(path: Path) -> Path:
    """The path itself, if it is a file.

    Raises:
        MissingError: there is none; the nearest name in the folder is offered.
        DataError: it is a folder.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder", allowed="a file is needed")
    if not path.is_file():
        near = get_close_matches(path.name, _names(path.parent), n=1)
        raise MissingError(f"there is no file {path}", advice=f"The nearest there is '{near[0]}'" if near else "")
    return path


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


@dataclass(frozen=True)
class Content:
    """A file, or the head of it, unpacked and in UTF-8 as far as it can be.

    Attributes:
        path: where it came from.
        data: the bytes after unpacking.
        whole: False where ``data`` is only the head, cut after the last whole line.
    """

    path: Path
    data: bytes
    whole: bool = True

    @classmethod
    def read(cls, path: Path, *, head: int | None = None) -> "Content":
        """The content of a file; of its first ``head`` bytes where given.

        Raises:
            MissingError: there is no such file.
            DataError: it cannot be opened or unpacked.
        """
        existing(path)
        try:
            with path.open("rb") as file:
                packed = file.read(head if head is not None else -1)
                rest = file.read(1) if head is not None else b""
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror})", advice="check its permissions") from error
        data = _unpack(path, packed, whole=not rest) if packed.startswith(GZIP) else packed
        if rest and not data.startswith(b"PAR1"):
            data = data[: data.rfind(b"\n") + 1] or data
        return cls(path, data, whole=not rest)

    @property
    def suffix(self) -> str:
        """The suffix of the name without a leading dot and without ``.gz``, in lower case."""
        name = self.path.name.lower().removesuffix(".gz")
        return name.rpartition(".")[2] if "." in name else ""

    @property
    def name(self) -> str:
        """The file's name without ``.gz``, in lower case."""
        return self.path.name.lower().removesuffix(".gz")

    @cached_property
    def lines(self) -> list[str]:
        """The first lines that are not blank, at most 200, undecodable bytes replaced."""
        text = self.data[:HEAD_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
        lines = text.splitlines() if "\n" not in text else text.split("\n")
        return [line.rstrip("\r") for line in lines if line.strip()][:200]

    def decoded(self, encoding: str | None) -> bytes:
        """The data in UTF-8 with plain line ends; bytes that are no UTF-8 stay and are reported row by row.

        Args:
            encoding: a name that Python knows, such as ``latin-1``; None means UTF-8, or UTF-16 where the file says so.

        Raises:
            SettingError: there is no such encoding.
            DataError: the file is not in that encoding.
        """
        data = self.data
        if encoding is None and data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            encoding = "utf-16"
        if encoding is not None and encoding_name(encoding) != "utf-8":
            try:
                data = data.decode(encoding).encode()
            except UnicodeError as error:
                raise DataError(
                    f"{self.path.name} is not in the encoding '{encoding}' ({error})", advice="set another encoding"
                ) from error
        data = data.removeprefix(codecs.BOM_UTF8)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        return data


def encoding_name(encoding: str) -> str:
    """The canonical name of an encoding.

    Raises:
        SettingError: Python knows no such encoding.

    >>> encoding_name("UTF8")
    'utf-8'
    """
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise SettingError(
            f"the encoding is '{encoding}'", allowed="it must be one that Python knows", advice="utf-8 or latin-1"
        ) from error


def _unpack(path: Path, packed: bytes, *, whole: bool) -> bytes:
    """All members of a gzip file; of a head, as much as there is."""
    parts = []
    rest = packed
    try:
        while rest.startswith(GZIP):
            unpacker = zlib.decompressobj(wbits=31)
            parts.append(unpacker.decompress(rest))
            if not unpacker.eof:
                if whole:
                    raise DataError(f"{path} ends in the middle of its gzip stream", advice="fetch the file again")
                break
            rest = unpacker.unused_data
    except zlib.error as error:
        raise DataError(f"{path} cannot be unpacked ({error})", advice="fetch the file again") from error
    return b"".join(parts)


@dataclass(frozen=True)
class Records:
    """Where the records of a text begin and end: a record is a line, or more where a quoted field holds line ends.

    Attributes:
        data: the text, ending in a line end.
        start, end: (n,) int64 byte positions; ``end`` is that of the line end.
        line: (n,) int64 line number of the first line, counting from 1.
        open_line: the line of a record whose quote is never closed, 0 where there is none.
        open_lines: how many lines that record swallows.
    """

    data: bytes
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    line: NDArray[np.int64]
    open_line: int = 0
    open_lines: int = 0

    @classmethod
    def of(cls, data: bytes, quotes: NDArray[np.int64] | None = None) -> "Records":
        """The records of a text; blank ones are left out.

        Args:
            data: UTF-8 or nearly.
            quotes: positions of quote characters: a line end after an odd number of them is inside a field.
        """
        if data and not data.endswith(b"\n"):
            data += b"\n"
        ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
        closing = ends if quotes is None else ends[np.searchsorted(quotes, ends) % 2 == 0]
        starts = np.concatenate([[0], closing + 1])
        lines = np.searchsorted(ends, starts) + 1
        tail = len(ends) - int(np.searchsorted(ends, starts[-1]))
        full = closing > starts[:-1]
        return cls(
            data=data,
            start=starts[:-1][full],
            end=closing[full],
            line=lines[:-1][full],
            open_line=int(lines[-1]) if tail else 0,
            open_lines=tail,
        )

    def __len__(self) -> int:
        return len(self.start)

    def text(self, record: int) -> bytes:
        """The bytes of one record."""
        return self.data[self.start[record] : self.end[record]]

    def keep(self, mask: NDArray[np.bool_]) -> bytes:
        """The bytes of the chosen records, each with its line end."""
        start, length = self.start[mask], (self.end - self.start + 1)[mask]
        if not len(start):
            return b""
        if int(length.sum()) == int(start[-1] + length[-1] - start[0]):
            return self.data[int(start[0]) : int(start[-1] + length[-1])]
        offset = np.repeat(start - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
        return np.frombuffer(self.data, dtype=np.uint8)[offset + np.arange(len(offset))].tobytes()

    def valid_utf8(self, problems: Problems) -> NDArray[np.bool_]:
        """(n,) bool, which records are valid UTF-8; the others are added to the problems."""
        good = np.ones(len(self), dtype=bool)
        try:
            self.data.decode()
        except UnicodeDecodeError:
            high = np.concatenate([[0], np.cumsum(np.frombuffer(self.data, dtype=np.uint8) >= 0x80)])
            for record in np.flatnonzero(high[self.end] > high[self.start]):
                try:
                    self.text(int(record)).decode()
                except UnicodeDecodeError:
                    good[record] = False
            problems.add("invalid UTF-8", self.line[~good])
        return good
