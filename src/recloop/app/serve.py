from pathlib import Path

from recloop.errors import MissingError
from recloop.loop.release import RELEASE
from recloop.loop.run import RELEASE as RELEASE_FOLDER
from recloop.store import Store


def first_release(store_url: str | Path, runs: Path) -> Path | None:
    """The release to promote before serving: none where the store has an active one, else that of the newest run.

    Raises:
        MissingError: there is neither.
    """
    with Store(store_url) as store:
        if store.releases.active() is not None:
            return None
    found = sorted(runs.glob(f"*/{RELEASE_FOLDER}/{RELEASE}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise MissingError(
            f"the store has no active release, and there is no run in {runs}",
            advice="make one: recloop run; or name one: recloop serve --release FOLDER",
        )
    return found[-1].parent
