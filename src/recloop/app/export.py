"""A whole installation in one file, and back: the store, its archive, and the releases that it knows."""

import json
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import IO, Any

from recloop import __version__
from recloop.errors import ArtifactError, ConflictError, DataError, MissingError, SettingError, StoreError
from recloop.loop.folder import whole_folder
from recloop.loop.release import verify
from recloop.store import Store
from recloop.store.backend import parse

FORMAT = 1
HEADER, STORE, ARCHIVE, RELEASES = "installation.json", "recloop.db", "recloop.archive", "releases"
BLOCK = 1 << 20
LONGEST_HEADER = 100 << 20  # bytes: a line per file of the archive


def export(store: Store, target: Path) -> dict[str, Any]:
    """Write a whole installation as a tar file, which appears whole or not at all; a service may run meanwhile.

    Inside are a copy of the store as it is at one moment, the files of its archive, the folder of every release that is
    whole, and ``installation.json`` with the SHA-256 of each. API keys are in the store as hashes, as always.

    Args:
        store: what is exported.
        target: the file; must not exist.

    Returns:
        What is inside: ``events``, ``decisions``, ``feedback``, ``parts``, ``releases``, and ``left_out``: releases
        whose folder is missing or damaged, with the reason.

    Raises:
        ConflictError: the file exists, or days were dropped from the archive meanwhile.
        ArtifactError: the active release or a file of the archive is damaged.
        StoreError: the disk is full or cannot be written.
    """
    if target.exists():
        raise ConflictError(f"{target} exists already", advice="name another file")
    if not target.parent.is_dir():
        raise MissingError(f"{target} cannot be written: there is no folder {target.parent}", advice="make it first")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            copy = Path(scratch) / STORE
            store.copy_to(copy)
            told, files = _inventory(copy, store)
            header = told | {
                "format": FORMAT,
                "recloop": __version__,
                "created": time.time(),
                "files": {name: _sha256(path) for name, path in files.items()},
            }
            (Path(scratch) / HEADER).write_text(json.dumps(header, indent=2), encoding="utf-8")
            with draft.open("wb") as out:
                with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
                    for name, path in ({HEADER: Path(scratch) / HEADER} | files).items():
                        _add(tar, name, path, header["created"])
                out.flush()
                os.fsync(out.fileno())
        draft.rename(target)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise ConflictError(f"{error.filename} went away during the export", advice="run it again") from error
        raise StoreError(
            f"{target} cannot be written: {(error.strerror or str(error)).lower()}",
            allowed="nothing was left behind",
            advice="free some space, or choose another folder",
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return told


def import_(file: Path, folder: Path, store_url: str | None = None) -> dict[str, Any]:
    """Unpack an installation into a new folder, which appears whole or not at all.

    Every file is compared with its SHA-256, and nothing is taken but the regular files that the header names, under
    paths inside the folder. The paths of the releases are renewed.

    Args:
        file: made by ``export``.
        folder: must not exist.
        store_url: of an empty database that takes the store's rows; None keeps them in a file in the folder. The
            archive and the releases are in the folder either way.

    Returns:
        What ``export`` told, and where the ``store`` is now: its URL, without a password.

    Raises:
        MissingError: there is no such file.
        DataError: it is no installation, is damaged, or holds what it should not.
        ConflictError: the folder exists, or the database is not empty.
        SettingError: the URL names an archive, or a text holds what the database cannot keep.
        StoreError: the disk is full or cannot be written.
    """
    if store_url is not None and parse(store_url).query.get("archive"):
        raise SettingError(
            "the URL of the store names an archive",
            allowed="the archive goes into the folder of the import",
            advice="leave ?archive= out; the URL that holds it is told at the end",
        )
    if not file.is_file():
        raise MissingError(f"there is no file {file}", advice="name one that recloop export has written")
    with whole_folder(folder) as draft:
        try:
            with tarfile.open(file, mode="r:") as tar:
                header = _unpack(tar, draft, file)
        except (tarfile.TarError, EOFError) as error:
            raise _wrong(file, f"is no tar file that can be read ({error})") from error
        with Store(draft / STORE) as store:
            where = folder.resolve() / RELEASES
            store.releases.relocate(
                {name: str(where / name) for name in header["releases"]}, actor=f"recloop import {file.name}"
            )
            strange = [part.file for part in store.archive.parts() if f"{ARCHIVE}/{part.file}" not in header["files"]]
            if strange:  # a manifest may name files anywhere: they would be read, and deleted with their day
                raise _wrong(file, f"has a manifest with {strange[0]!r}, which its header does not name")
            damaged = store.archive.verify()
            if damaged:
                raise _wrong(file, damaged[0])
        for release in header["releases"]:
            verify(draft / RELEASES / release)
        if store_url is not None:
            with Store(store_url) as store:
                store.fill_from(draft / STORE)
            for left in draft.glob(f"{STORE}*"):
                left.unlink()
    told = {key: value for key, value in header.items() if key != "files"}
    return told | {"store": str(folder / STORE) if store_url is None else _with_archive(store_url, folder / ARCHIVE)}


def _with_archive(store_url: str, archive: Path) -> str:
    found = parse(store_url).update_query_dict({"archive": str(archive.resolve())})
    return found.set(drivername=found.get_backend_name()).render_as_string(hide_password=True)


def _inventory(copy: Path, store: Store) -> tuple[dict[str, Any], dict[str, Path]]:
    """What the copy of the store belongs with, and the name of each file inside the tar."""
    with Store(copy, archive=store.archive.named) as frozen:
        files = {STORE: copy}
        parts, counts, records = frozen.archive.parts(), frozen.counts(), frozen.releases.all()
        frozen_damage = frozen.archive.verify()
    if frozen_damage:
        raise ArtifactError(frozen_damage[0].rstrip("."), advice="an export holds what is whole only")
    if parts:
        files |= {f"{ARCHIVE}/{part.file}": store.archive.folder / part.file for part in parts}
    left_out: dict[str, str] = {}
    for record in records:
        folder = Path(record.path)
        try:
            verify(folder)
        except ArtifactError as error:
            if record.active:
                raise
            left_out[record.name] = str(error)
            continue
        inside = sorted(path for path in folder.rglob("*") if path.is_file())
        files |= {f"{RELEASES}/{record.name}/{path.relative_to(folder).as_posix()}": path for path in inside}
    whole = [record.name for record in records if record.name not in left_out]
    return counts | {"parts": len(parts), "releases": whole, "left_out": left_out}, files


def _add(tar: tarfile.TarFile, name: str, path: Path, created: float) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = path.stat().st_size, int(created), 0o644
    with path.open("rb") as content:
        tar.addfile(entry, content)


def _unpack(tar: tarfile.TarFile, draft: Path, file: Path) -> dict[str, Any]:
    members = _members(tar, file)
    first = next(members, None)
    if first is None or first[0].name != HEADER:
        raise _wrong(file, f"does not begin with {HEADER}")
    if first[0].size > LONGEST_HEADER:
        raise _wrong(file, f"has an {HEADER} of {first[0].size} bytes")
    header = _header(first[1].read(), file)
    expected: Mapping[str, str] = header["files"]
    found = set[str]()
    for member, content in members:
        if member.name not in expected or member.name in found:
            raise _wrong(file, f"holds {member.name!r}, which its header does not name once")
        found.add(member.name)
        path = draft / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            while block := content.read(BLOCK):
                out.write(block)
        if _sha256(path) != expected[member.name]:
            raise _wrong(file, f"is damaged: the SHA-256 of {member.name} is not the one written")
    for missing in sorted(expected.keys() - found):
        raise _wrong(file, f"lacks {missing}")
    if STORE not in found:
        raise _wrong(file, f"lacks {STORE}")
    return header


def _members(tar: tarfile.TarFile, file: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The regular files of a tar, one after another; anything else is refused."""
    for member in tar:
        path = PurePosixPath(member.name)
        inside = member.name == path.as_posix() and not path.is_absolute() and ".." not in path.parts
        if not inside or "\\" in member.name or "\0" in member.name or not member.isreg() or member.issparse():
            raise _wrong(file, f"holds {member.name!r}, which is no plain file inside the folder")
        content = tar.extractfile(member)
        assert content is not None
        yield member, content


def _header(text: bytes, file: Path) -> dict[str, Any]:
    try:
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise _wrong(file, f"has the format {header['format']}; this recloop reads format {FORMAT}")
        if not all(isinstance(one, str) for pair in header["files"].items() for one in pair):
            raise _wrong(file, f"has no {HEADER} that can be read")
        for name in header["releases"]:
            if PurePosixPath(name).name != name or name in {"", ".", ".."}:
                raise _wrong(file, f"names a release {name!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _wrong(file, f"has no {HEADER} that can be read") from error
    found: dict[str, Any] = header
    return found


def _wrong(file: Path, what: str) -> DataError:
    return DataError(
        f"{file} {what.rstrip('.')}",
        allowed="an installation is a file that recloop export has written",
        advice="nothing was unpacked",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
