"""A pickle is refused whatever it is called, wherever it lies, and is never run."""

import io
import json
import pickle
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.errors import ArtifactError
from recloop.loop.contents import KINDS, objection
from recloop.loop.release import load, verify
from recloop.neural.graph import Graph


class Trap:
    """Something that leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self):
        return (open, (self.trace, "w"))


def seal(folder: Path) -> None:
    sums = {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "checksums.json"
    }
    (folder / "checksums.json").write_text(json.dumps(sums))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "name",
    ["vectors.npz", "strategies/ease/weights.npz", "items.parquet", "release.json", "model.safetensors", "model.onnx",
     "model.pkl", "model.bin", "model"],
)  # fmt: skip
def test_a_pickle_in_a_release(release: Path, tmp_path: Path, name: str, protocol: int) -> None:
    trace = tmp_path / "trace"
    (release / name).write_bytes(pickle.dumps(Trap(trace), protocol=protocol))
    seal(release)
    with pytest.raises(ArtifactError, match=rf"the file {name} of the release .* is refused: "):
        load(release)
    assert not trace.exists()


def test_a_pickle_inside_an_archive(release: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for member, sentence in (
        ("data.pkl", r"its member data.pkl is a pickle"),
        ("archive/readme", r"its member archive/readme is no array"),
        ("x.npy", r"it is no npz file \(ValueError\)"),
    ):
        with zipfile.ZipFile(release / "vectors.npz", "w") as archive:
            archive.writestr(member, pickle.dumps(Trap(trace)) if "readme" not in member else b"hello")
        seal(release)
        with pytest.raises(ArtifactError, match=sentence):
            verify(release)
    objects = io.BytesIO()
    np.savez(objects, vectors=np.array([Trap(trace)], dtype=object))
    (release / "vectors.npz").write_bytes(objects.getvalue())
    seal(release)
    with pytest.raises(ArtifactError, match=r"its member vectors.npy holds objects, which are kept as a pickle"):
        verify(release)
    assert not trace.exists()


def test_a_structured_array_with_an_object_inside(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(2, dtype=[("x", "f4"), ("y", object)]))
    assert "a.npy holds objects" in objection(tmp_path / "a.npz")


def test_what_is_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", a=np.arange(3), b=np.array(["x"]))
    np.savez_compressed(tmp_path / "b.npz", a=np.zeros((2, 0), dtype=[("x", "f4"), ("y", "i2")]))
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    (tmp_path / "a.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    (tmp_path / "a.lightgbm").write_text("tree\nversion=v4\n")
    assert {path.suffix for path in tmp_path.iterdir()} == set(KINDS)
    assert [objection(path) for path in sorted(tmp_path.iterdir())] == [""] * 7


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != ".json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"PK\x03\x04", b"hello, this is a text", b"\xff" * 40])
def test_what_is_not_what_its_name_says(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / f"a{kind}"
    path.write_bytes(content)
    assert objection(path).startswith(f"it is no {kind[1:]} file")


def test_a_network_that_is_a_pickle() -> None:
    with pytest.raises(ArtifactError, match="a network is a pickle"):
        Graph(pickle.dumps({"a": 1}))
