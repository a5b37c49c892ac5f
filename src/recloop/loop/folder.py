import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recloop.errors import ConflictError, StoreError


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder that appears under its name whole, or not at all.

    What is written goes into a draft beside it, which is renamed at the end; an error, Ctrl-C or a full disk removes
    the draft and leaves what was there.

    Raises:
        ConflictError: the target exists.
        StoreError: the disk is full, read-only or not allowed to be written.

    >>> with whole_folder(Path(tempfile.mkdtemp()) / "run") as draft:
    ...     _ = (draft / "a.txt").write_text("whole")
    """
    if target.exists():
        raise ConflictError(f"{target} exists already", advice="name another folder")
    draft: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
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
        reason = _disk(error)
        if reason:
            raise StoreError(
                f"{target} cannot be written: {reason}",
                allowed="nothing was left behind",
                advice="free some space, or choose another folder",
            ) from error
        raise
    finally:
        if draft is not None and draft.exists():
            shutil.rmtree(draft, ignore_errors=True)


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a part of the path is no folder",
}


def _disk(error: BaseException) -> str:
    """Why the disk refused, "" where the error has another cause. Polars tells it in words only."""
    if isinstance(error, OSError) and error.errno in _REASONS:
        return _REASONS[error.errno]
    if "No space left on device" in str(error):
        return _REASONS[errno.ENOSPC]
    return ""


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
