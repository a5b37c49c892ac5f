"""The files of the archive: written whole, named in the manifest with a checksum, and compared with it when read."""

import os
from collections.abc import Iterable
from hashlib import file_digest, sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import polars as pl

from recloop.errors import ArtifactError, ConflictError, StoreError
from recloop.store.ids import new_id

BUSY = "another run of the archive is at work"
OWNER = ".store"  # the file that says whose folder it is
AGAIN = "run it again once the other is done; nothing was lost"


class Part(NamedTuple):
    """A file of the archive: rows of one log and one day.

    Attributes:
        log: ``events``, ``decisions`` or ``feedback``.
        date: the day in UTC on which its rows happened, such as ``2026-11-20``.
        file: where it lies in the archive's folder.
        rows: how many it holds.
        bytes: how large it is.
        sha256: of its bytes.
        created: when it was written, seconds since 1970.
    """

    log: str
    date: str
    file: str
    rows: int
    bytes: int
    sha256: str
    created: float


def write_part(folder: Path, log: str, date: str, rows: pl.DataFrame, now: float) -> Part:
    """Write rows as a new file and have it on disk under its name; it belongs to the archive once the manifest says so.

    Raises:
        StoreError: the disk is full, read-only or may not be written; nothing is left behind.
        ConflictError: another run is at work.
    """
    packed = BytesIO()
    rows.write_parquet(packed, compression="zstd")
    content = packed.getbuffer()
    file = f"{log}/date={date}/part-{new_id()}.parquet"
    path = folder / file
    draft = path.with_name(f".{path.name}.draft")
    try:
        made = [one for one in (path.parent, path.parent.parent, folder) if not one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.rename(path)
        for one in {path.parent, *(parent.parent for parent in made)}:
            _sync(one)
    except FileNotFoundError as error:  # a run that began meanwhile took the draft for a leftover
        raise ConflictError(BUSY, advice=AGAIN) from error
    except OSError as error:
        _remove(draft)
        raise _unwritable(folder, error) from error
    return Part(log, date, file, rows.height, len(content), sha256(content).hexdigest(), now)


def claim(folder: Path, owner: str) -> None:
    """Make a folder that of one store: what no manifest names is removed there, so two stores may not share it.

    Raises:
        ConflictError: it is another store's.
        StoreError: it cannot be written.
    """
    mark = folder / OWNER
    try:
        if not mark.exists() or not mark.stat().st_size:  # or a run was killed while it wrote that
            folder.mkdir(parents=True, exist_ok=True)
            mark.write_text(owner, encoding="ascii")
        found = mark.read_text(encoding="ascii")
    except OSError as error:
        raise _unwritable(folder, error) from error
    if found != owner:
        raise ConflictError(
            f"the folder {folder} holds the archive of another store",
            allowed="each store has a folder of its own",
            advice="name another one: ?archive=FOLDER in the URL of the store",
        )


def read_part(folder: Path, part: Part) -> pl.LazyFrame:
    """The rows of a file, with ``seq``; its bytes are compared with the manifest first.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    check_part(folder, part)
    return pl.scan_parquet(folder / part.file, hive_partitioning=False)


def check_part(folder: Path, part: Part) -> None:
    """Compare a file with what the manifest says of it; one that has not changed since is not read again.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    path = folder / part.file
    try:
        found = path.stat()
        seen = (str(path), part.sha256, found.st_size, found.st_mtime_ns, found.st_ino)
        if seen in _checked:
            return
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise ArtifactError(f"the file {path} of the archive {reason}", advice=_RESTORE) from error
    if digest != part.sha256:
        raise ArtifactError(
            f"the file {path} of the archive is damaged: its SHA-256 is not the one written", advice=_RESTORE
        )
    _checked.add(seen)


def remove_parts(folder: Path, files: Iterable[str]) -> None:
    """Delete files, and the folders of days that are empty then."""
    for file in files:
        _remove(folder / file)
        try:
            (folder / file).parent.rmdir()
        except OSError:  # other files are in it
            continue


def stray_files(folder: Path, parts: Iterable[Part]) -> list[str]:
    """The files in the folder that the manifest does not name: left by a run that was killed."""
    known = {part.file for part in parts}
    found = (path.relative_to(folder).as_posix() for path in folder.glob("*/date=*/*") if path.is_file())
    return sorted(file for file in found if file not in known)


_RESTORE = "restore it from a backup; recloop archive verify names every file that is not whole"
_checked: set[tuple[str, str, int, int, int]] = set()


def _unwritable(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the archive {folder} cannot be written: {(error.strerror or str(error)).lower()}",
        allowed="the rows stay in the store",
        advice="free some space, or give this user the right to write there, and run it again",
    )


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows does not open folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
