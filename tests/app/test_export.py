"""An installation in one file comes back as it was; a file that is not one leaves nothing behind."""

import io
import json
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from recloop.app.export import HEADER, STORE, export, import_
from recloop.errors import ConflictError, DataError, MissingError, StoreError
from recloop.store import Store
from recloop.types import Event

DAY = 86_400.0


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A file with a store of thirty days, most of them archived, and no release."""
    with Store(tmp_path / "shop.db", clock=lambda: 30 * DAY) as store:
        store.append_events([Event("ann", f"i{day}", "view", day * DAY, id=f"e{day}") for day in range(30)])
        store.archive.run(hot_days=5)
        store.releases.add("gone", str(tmp_path / "nowhere"), "0")
        told = export(store, tmp_path / "shop.tar")
    assert told["events"] == 30
    assert told["releases"] == []
    assert "holds no readable release" in told["left_out"]["gone"]
    return tmp_path / "shop.tar"


def test_it_comes_back(packed: Path, tmp_path: Path) -> None:
    told = import_(packed, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["recloop.archive", "recloop.db"]
    with Store(tmp_path / "shop.db") as old, Store(told["store"]) as new:
        assert new.events().equals(old.events())
        assert new.history("ann", 30) == old.history("ann", 30)
        assert new.append_events([Event("ann", "i0", "view", 0.0, id="e0")]).duplicates == 1
        assert [one[1:] for one in new.archive.parts()] == [one[1:] for one in old.archive.parts()]


def test_a_file_that_is_there_is_left_alone(packed: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "shop.db") as store, pytest.raises(ConflictError, match=r"shop.tar exists already"):
        export(store, packed)
    with Store(tmp_path / "shop.db") as store, pytest.raises(MissingError, match="there is no folder"):
        export(store, tmp_path / "no" / "shop.tar")
    (tmp_path / "new").mkdir()
    with pytest.raises(ConflictError, match="new exists already"):
        import_(packed, tmp_path / "new")
    with pytest.raises(MissingError, match=r"there is no file .*nothing.tar; name one that recloop export has written"):
        import_(tmp_path / "nothing.tar", tmp_path / "other")


def test_a_full_disk_leaves_nothing(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recloop.app.export.os.fsync", full)
    before = sorted(tmp_path.rglob("*"))
    with (
        Store(tmp_path / "shop.db") as store,
        pytest.raises(StoreError, match=r"other.tar cannot be written: no space left on device; nothing was left"),
    ):
        export(store, tmp_path / "other.tar")
    assert sorted(tmp_path.rglob("*")) == before


Members = list[tuple[tarfile.TarInfo, bytes]]


def members(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]


def plain(name: str, content: bytes = b"x", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in more.items():
        setattr(entry, key, value)
    return entry, content


def renamed(found: Members, name: str) -> Members:
    """The header names another file too, with its right checksum."""
    header = json.loads(found[0][1])
    header["files"][name] = sha256(b"x").hexdigest()
    return [plain(HEADER, json.dumps(header).encode()), *found[1:]]


def header(found: Members, **change: object) -> Members:
    return [plain(HEADER, json.dumps(json.loads(found[0][1]) | change).encode()), *found[1:]]


LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}
HARD = {"type": tarfile.LNKTYPE, "linkname": STORE, "size": 0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: [*renamed(found, "../x"), plain("../x")], "holds '../x', which is no plain file inside"),
        (lambda found: [*renamed(found, "/tmp/x"), plain("/tmp/x")], "holds '/tmp/x', which is no plain file inside"),
        (lambda found: [*renamed(found, "a/../../x"), plain("a/../../x")], "which is no plain file inside"),
        (lambda found: [*renamed(found, "a\\x"), plain("a\\x")], "which is no plain file inside"),
        (lambda found: [*renamed(found, "x"), plain("x", b"", **LINK)], "holds 'x', which is no plain file inside"),
        (lambda found: [*renamed(found, "x"), plain("x", b"", **HARD)], "holds 'x', which is no plain file inside"),
        (lambda found: [*renamed(found, "x"), plain("x", b"", type=tarfile.FIFOTYPE)], "no plain file inside"),
        (lambda found: [*found, plain("x")], "holds 'x', which its header does not name once"),
        (lambda found: [*found, found[1]], "which its header does not name once"),
        (lambda found: found[:-1], "lacks recloop.archive/events/date="),
        (lambda found: [found[0], *found[2:]], "lacks recloop.db"),
        (lambda found: found[1:], "does not begin with installation.json"),
        (lambda _found: [], "does not begin with installation.json"),
        (lambda found: [*found[:-1], (found[-1][0], found[-1][1][:-1] + b"?")], "is damaged: the SHA-256 of"),
        (lambda found: header(found, format=9), "has the format 9; this recloop reads format 1"),
        (lambda found: header(found, files=[]), "has no installation.json that can be read"),
        (lambda found: header(found, releases=["../x"]), "names a release '../x'"),
        (lambda found: [plain(HEADER, b"\xff"), *found[1:]], "has no installation.json that can be read"),
    ],
)
def test_what_is_no_installation_leaves_nothing(
    packed: Path, tmp_path: Path, change: Callable[[Members], Members], said: str
) -> None:
    bad = tmp_path / "bad.tar"
    with tarfile.open(bad, "w") as tar:
        for entry, content in change(members(packed)):
            tar.addfile(entry, io.BytesIO(content))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        import_(bad, tmp_path / "new")
    assert said in str(caught.value)
    assert "nothing was unpacked" in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"no tar " * 400, None])
def test_a_file_that_is_no_tar_or_ends_early(packed: Path, tmp_path: Path, content: bytes | None) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(packed.read_bytes()[:30_000] if content is None else content)
    with pytest.raises(DataError, match=r"bad.tar (is no tar file that can be read|does not begin|is damaged|lacks)"):
        import_(bad, tmp_path / "new")
    assert not (tmp_path / "new").exists()
