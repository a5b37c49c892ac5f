"""Folders and files that appear whole, or not at all."""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recloop.errors import ConflictError, MissingError, RecloopError, StoreError


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder that appears under its name whole, or not at all.

    What is written goes into a draft beside it, which is renamed at the end; an error, Ctrl-C or a full disk removes
    the draft and leaves what was there.

    Raises:
        ConflictError: the target exists, or a file stands where a folder must be.
        StoreError: the disk is full, read-only or not allowed to be written.

    >>> with whole_folder(Path(tempfile.mkdtemp()) / "run") as draft:
    ...     _ = (draft / "a.txt").write_text("whole")
    """
    if target.exists():
        raise ConflictError(f"{target} exists already", advice="name another folder")
    draft: Path | None = None
    try:
        _make_folder(target.parent)
        _sweep(target)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", dir=target.parent))
        draft.chmod(0o755)
        yield draft
        _to_disk(draft)
        try:
            draft.rename(target)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                raise ConflictError(f"{target} was made by somebody else meanwhile", advice="use that one") from None
            raise
        _sync(target.parent)
    except Exception as error:
        refused = _refused(error, target)
        if refused is not None:
            raise refused from error
        raise
    finally:
        if draft is not None and draft.exists():
            shutil.rmtree(draft, ignore_errors=True)


def write_whole(target: Path, text: str) -> None:
    """Write a text file that appears under its name whole, or not at all; until then what was there stays.

    Raises:
        MissingError: its folder does not exist.
        StoreError: the disk is full, read-only or not allowed to be written.

    >>> write_whole(Path(tempfile.mkdtemp()) / "page.html", "<p>whole</p>")
    """
    with whole_file(target) as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A file that appears under its name whole, or not at all; until then what was there stays.

    What is written goes into the draft that is given, which takes the name at the end.

    Raises:
        MissingError: its folder does not exist.
        StoreError: the disk is full, read-only or not allowed to be written.

    >>> with whole_file(Path(tempfile.mkdtemp()) / "page.html") as draft:
    ...     _ = draft.write_text("<p>whole</p>")
    """
    if not target.parent.is_dir():
        raise MissingError(f"{target} cannot be written: there is no folder {target.parent}", advice="make it first")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    except Exception as error:
        refused = _refused(error, target)
        if refused is not None:
            raise refused from error
        raise
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """While the context lasts, nobody else enters the folder this way; a process that dies lets go by itself.

    Args:
        folder: is made where it is missing.
        what: who is inside, for the error.

    Raises:
        ConflictError: another process is inside.
        StoreError: the folder cannot be written.

    >>> with only_one(Path(tempfile.mkdtemp()) / "tune", "a search"):
    ...     pass
    """
    try:
        _make_folder(folder)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        refused = _refused(error, folder)
        if refused is not None:
            raise refused from error
        raise
    try:
        if not _lock(handle):
            raise ConflictError(f"{what} is at work in {folder}", advice="wait until it is done, or stop it")
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Whether the lock of a file was free; it is held until the file is closed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
            raise
        return False
    return True


_SPACE = "free some space, or choose another folder"
_RIGHT = "choose a folder that may be written"
_REASONS = {
    errno.ENOSPC: ("the disk is full", _SPACE),
    errno.EDQUOT: ("the disk quota is used up", _SPACE),
    errno.EFBIG: ("a file may not grow as large", _SPACE),
    errno.EROFS: ("the disk is read-only", _RIGHT),
    errno.EACCES: ("permission denied", _RIGHT),
    errno.EPERM: ("permission denied", _RIGHT),
    errno.ENOTDIR: ("a part of the path is no folder", _RIGHT),
    errno.EISDIR: ("it is a folder", "name a file"),
}


def _refused(error: BaseException, target: Path) -> StoreError | None:
    """What is said when the disk refused; None where the error has another cause."""
    if isinstance(error, StoreError) and error.__cause__ is not None:  # of a folder inside the draft
        error = error.__cause__
    code = error.errno if isinstance(error, OSError) else None
    if code is None and not isinstance(error, RecloopError):  # Polars tells it in words only
        code = next((known for known in _REASONS if os.strerror(known) in str(error)), None)
    if code not in _REASONS:
        return None
    reason, advice = _REASONS[code]
    return StoreError(f"{target} cannot be written: {reason}", allowed="nothing was left behind", advice=advice)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConflictError(f"{folder} is a file, and a folder is needed there", advice="name another folder") from None


def _sweep(target: Path) -> None:
    """Remove drafts of this target whose process is gone: killed, or the machine stopped."""
    for draft in target.parent.glob(f".{target.name}.*.*"):
        process = draft.name.split(".")[-2]
        if process.isdigit() and not _alive(int(process)):
            shutil.rmtree(draft, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _to_disk(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            _sync(path)
    _sync(folder)


def _sync(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows does not open folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
