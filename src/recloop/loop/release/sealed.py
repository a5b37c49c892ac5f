"""What makes a release one that can be trusted: a header, and a checksum of every file."""

import json
from collections.abc import Iterable, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from recloop.errors import ArtifactError
from recloop.loop.contents import objection
from recloop.loop.release.layout import CHECKSUMS, FORMAT, RELEASE

AGAIN = "run the plan again, or roll back to another release"


def verify(folder: Path) -> dict[str, Any]:
    """Check every file of a release against its checksum, and that it is what its name says; gives back the header.

    Raises:
        ArtifactError: the folder is no release, is of another format, or a file is damaged, missing or unexpected,
            or is nothing that a release may hold, such as a pickle.
    """
    expected = _table(folder / CHECKSUMS)
    found = _checksums(folder)
    for file in sorted(expected.keys() | found.keys()):
        if file not in found:
            raise ArtifactError(f"the file {file} of the release {folder} is missing", advice=AGAIN)
        if file not in expected:
            raise ArtifactError(
                f"the file {file} in {folder} is not part of the release",
                allowed="a release holds only files that its checksums name",
                advice="remove it if you know it",
            )
        if found[file] != expected[file]:
            raise ArtifactError(
                f"the file {file} of the release {folder} is damaged: its SHA-256 is not the one written", advice=AGAIN
            )
        if why := objection(folder / file):
            raise ArtifactError(f"the file {file} of the release {folder} is refused: {why}", advice=AGAIN)
    header = header_of(folder)
    if header.get("format") != FORMAT:
        raise ArtifactError(
            f"the release {folder} has the format {header.get('format')}",
            allowed=f"format {FORMAT} is wanted",
            advice=AGAIN,
        )
    return header


def header_of(folder: Path) -> dict[str, Any]:
    """What a release says of itself; its files are not looked at (``verify`` does).

    Raises:
        ArtifactError: the folder is no release.
    """
    return _table(folder / RELEASE)


def versions(folders: Iterable[Path]) -> list[tuple[int, str]]:
    """Version and name of each folder that holds a release; others are passed over."""
    found = []
    for folder in folders:
        try:
            header = header_of(folder)
            found.append((int(header["version"]), str(header["name"])))
        except (ArtifactError, KeyError, ValueError):
            continue
    return found


def alike(one: Path, other: Path, policy: str) -> bool:
    """Whether two releases choose alike by a policy: the same policy over the same strategies and catalogue.

    Raises:
        ArtifactError: a folder is no release.
    """
    headers = [header_of(folder) for folder in (one, other)]
    if any(policy not in header["policies"] for header in headers):
        return False
    files = [{k: v for k, v in _table(folder / CHECKSUMS).items() if k != RELEASE} for folder in (one, other)]
    return bool(headers[0]["policies"][policy] == headers[1]["policies"][policy] and files[0] == files[1])


def seal(draft: Path, header: Mapping[str, Any]) -> None:
    """Write the header and the checksums of all that lies in a folder."""
    (draft / RELEASE).write_text(json.dumps(header, indent=2, allow_nan=False), encoding="utf-8")
    (draft / CHECKSUMS).write_text(json.dumps(_checksums(draft), indent=2), encoding="utf-8")


def _checksums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != CHECKSUMS:
            with path.open("rb") as file:
                sums[path.relative_to(folder).as_posix()] = file_digest(file, "sha256").hexdigest()
    return sums


def _table(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArtifactError(f"{path.parent} holds no readable release: {path.name}: {reason}", advice=AGAIN) from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{path.parent} holds no readable release: {path.name} is no table", advice=AGAIN)
    return value
