"""What every test may use: the real data, where it lies on this machine."""

import importlib.util
import os
from collections.abc import Callable
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


@pytest.fixture(scope="session")
def write_tiny_encoder() -> Callable[..., Path]:
    """Writes an encoder of noise into a folder; see ``tiny_bert.py``."""
    pytest.importorskip("tokenizers", reason="needs the extra text")
    spec = importlib.util.spec_from_file_location("tiny_bert", Path(__file__).with_name("tiny_bert.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    write: Callable[..., Path] = module.write
    return write


@pytest.fixture(scope="session")
def tiny_encoder(write_tiny_encoder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encoder of noise, to be read only."""
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder"))
