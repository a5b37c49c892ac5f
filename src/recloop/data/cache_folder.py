import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where what can be made again is kept: RECLOOP_CACHE where it is set, else the platform's place for caches."""
    if chosen := os.environ.get("RECLOOP_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "recloop" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "recloop"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recloop"
