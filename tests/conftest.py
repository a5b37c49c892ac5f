"""What every test may use: the real data, where it lies on this machine."""

import os
from pathlib import Path

import pytest

# vectors that tests make are kept beside the tests, not in the user's cache
os.environ.setdefault("RECLOOP_CACHE", str(Path(__file__).resolve().parent.parent / ".cache"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data (variable RECLOOP_TEST_DATA), or a skip that says why."""
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("RECLOOP_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set RECLOOP_TEST_DATA")
    return folder
