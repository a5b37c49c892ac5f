from pathlib import Path

from recloop.errors import MissingError
from recloop.loop.release import CHECKSUMS, load, verify
from recloop.store import Store
from recloop.store.releases import ReleaseRecord


def promote(store: Store, folder: Path, *, actor: str) -> ReleaseRecord:
    """Make the release in a folder the active one: checked and loaded first, then one transaction with its audit line.

    Two callers at once: both releases are kept, the later transaction wins, and rolling back brings the other.

    Raises:
        MissingError: there is no such folder, or it holds the release one folder deeper.
        ArtifactError: the release is damaged; what was active stays active.
        ConflictError: another release has the same name.
    """
    if not folder.is_dir():
        raise MissingError(f"there is no folder {folder}", advice="name the release of a run: runs/…/release")
    if not (folder / CHECKSUMS).exists() and (inner := sorted(folder.glob(f"*/{CHECKSUMS}"))):
        raise MissingError(f"{folder} is no release itself", advice=f"name the one in it: {inner[0].parent}")
    release = load(folder)
    store.releases.add(release.name, str(folder.resolve()), release.checksum, actor=actor)
    return store.releases.promote(release.name, actor=actor)


def rollback(store: Store, *, actor: str) -> ReleaseRecord:
    """Make the release before the active one active again, with its audit line.

    Raises:
        ConflictError: there is none before.
        ArtifactError: it is damaged; what was active stays active.
    """
    before = store.releases.previous()
    if before is not None:
        verify(Path(before.path))
    return store.releases.rollback(actor=actor)
