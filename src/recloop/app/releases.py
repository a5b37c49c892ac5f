import threading
import time
from collections.abc import Callable
from pathlib import Path

from recloop.app.engine import Engine
from recloop.app.promotion import passed
from recloop.app.servable import Servable
from recloop.store import Store
from recloop.store.releases import ReleaseRecord

Load = Callable[[Path], Servable]


class Releases:
    """List, promote and roll back releases, and have the engine answer from the active one.

    A release is loaded, and its checksums compared, before anything changes: one that is damaged is never promoted.

    Args:
        store: which releases there are, and which is active.
        engine: what answers.
        load: a folder to a release; raises ArtifactError where it is damaged.
        clock: seconds since 1970.
    """

    def __init__(self, store: Store, engine: Engine, load: Load, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._engine = engine
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()  # one switch at a time, or a slow load would undo a later one
        self._refused = ""

    def all(self) -> list[ReleaseRecord]:
        """Every release, oldest first."""
        return self._store.releases.all()

    def follow(self) -> None:
        """Answer from the release that is active in the store, whoever made it so.

        Raises:
            ArtifactError: its folder is damaged; the engine keeps what it has, and this is raised once per release.
        """
        with self._lock:
            record = self._store.releases.active()
            loaded = self._engine.release
            if record is None or record.name == self._refused or (loaded and loaded.name == record.name):
                return
            self._refused = record.name
            self._engine.switch(self._load(Path(record.path)))
            self._refused = ""

    def promote(self, name: str, *, actor: str = "", force: bool = False, reason: str = "") -> ReleaseRecord:
        """Answer from this release from now on, where its gate lets it.

        Args:
            name: of the release.
            actor: who asks.
            force: go past its gate; see ``promotion.promote_checked``.
            reason: why; written into the audit log.

        Raises:
            ConflictError: its gate is shut.
            SettingError: it is to be forced without a reason.
            MissingError: there is none of that name.
            ArtifactError: its folder is damaged; the active release stays.
        """
        with self._lock:
            folder = Path(self._store.releases.get(name).path)
            release = self._load(folder)
            said = passed(self._store, folder, self._clock(), force=force, reason=reason)
            record = self._store.releases.promote(name, actor=actor, detail=said)
            self._engine.switch(release)
            return record

    def rollback(self, *, actor: str = "") -> ReleaseRecord:
        """Answer from the release before this one.

        Raises:
            ConflictError: there is none before.
            ArtifactError: its folder is damaged; the active release stays.
        """
        with self._lock:
            before = self._store.releases.previous()
            release = self._load(Path(before.path)) if before else None
            record = self._store.releases.rollback(actor=actor)
            if release is None or release.name != record.name:  # another process was quicker
                release = self._load(Path(record.path))
            self._engine.switch(release)
            return record
