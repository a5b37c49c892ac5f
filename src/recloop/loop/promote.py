from pathlib import Path

from recloop.errors import MissingError
from recloop.loop.release import CHECKSUMS, load, successor, verify, versions
from recloop.store import Store
from recloop.store.releases import ReleaseRecord


def named(folder: Path) -> Path:
    """The folder that somebody named, where it may be a release.

    Raises:
        MissingError: there is no such folder, or it holds the release one folder deeper.
    """
    if not folder.is_dir():
        raise MissingError(f"there is no folder {folder}", advice="name the release of a run: runs/…/release")
    if not (folder / CHECKSUMS).exists() and (inner := sorted(folder.glob(f"*/{CHECKSUMS}"))):
        raise MissingError(f"{folder} is no release itself", advice=f"name the one in it: {inner[0].parent}")
    return folder


def promote(store: Store, folder: Path, *, actor: str, detail: str = "") -> ReleaseRecord:
    """Make the release in a folder the active one: checked and loaded first, then one transaction with its audit line.

    The gate of the release is not asked: ``app.promotion`` does.

    Two callers at once: both releases are kept, the later transaction wins, and rolling back brings the other.

    Raises:
        MissingError: see ``named``.
        ArtifactError: the release is damaged; what was active stays active.
        ConflictError: another release has the same name.
    """
    release = load(named(folder))
    store.releases.add(release.name, str(folder.resolve()), release.checksum, actor=actor)
    return store.releases.promote(release.name, actor=actor, detail=detail)


def promote_policy(store: Store, folder: Path, policy: str, *, actor: str) -> ReleaseRecord:
    """Put a policy of the active release in charge: a release of the same strategies beside it, made the active one.

    Repeating it changes nothing, wherever the first time was cut off: the new folder is written whole or not at all,
    and has the policy in its name.

    Args:
        store: which releases there are.
        folder: of the active release.
        policy: one of its policies.
        actor: who or what asks.

    Raises:
        ArtifactError: a release is damaged; what was active stays active.
        SettingError: the release has no such policy.
    """
    header = verify(folder)
    target = folder
    if header["default_policy"] != policy:
        target = folder.parent / f"{folder.name}-{policy}"
        if not target.exists():
            known = versions(Path(record.path) for record in store.releases.all())
            version = 1 + max((number for number, _ in known), default=int(header["version"]))
            successor(folder, target, name=f"{version}-{policy}", version=version, default_policy=policy)
    return promote(store, target, actor=actor)


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
