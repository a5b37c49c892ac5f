"""An installation in one file comes back as it was; a file that is not one leaves nothing behind."""

import io
import json
import sqlite3
import tarfile
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select

from recloop.app.export import HEADER, STORE, export, import_
from recloop.errors import ConflictError, DataError, MissingError, SettingError, StoreError
from recloop.store import Store, tables
from recloop.types import Decision, Event, Feedback, SlateItem

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
        assert new.histories(["ann"], 30)[0] == old.histories(["ann"], 30)[0]
        assert new.append_events([Event("ann", "i0", "view", 0.0, id="e0")]).duplicates == 1
        assert [one[1:] for one in new.archive.parts()] == [one[1:] for one in old.archive.parts()]


def filled(url: str, **how: object) -> None:
    """Thirty days, most of them archived, and something in every other table that an installation has."""
    with Store(url, clock=lambda: 30 * DAY, **how) as store:
        store.append_events([Event("ann", f"i{day}", "view", day * DAY, id=f"e{day}") for day in range(30)])
        store.append_events([Event("bob", "i1", "click", 29 * DAY, 2.5, id="x", decision="d1")])
        store.append_decisions(
            [Decision("d1", "bob", 29 * DAY, (SlateItem("i1", 0.5, "ease"),), "blend", allocation={"a": 1.0})]
        )
        store.append_feedback([Feedback("ann", "comment", 29 * DAY, None, "t\tab \\N 'quoted' ü\n", id="f1")])
        store.experiments.add("home", {"name": "home"})
        store.policy_states.put("one", "bandit", {"arms": {"a": [1, 2]}})
        store.archive.run(hot_days=5)


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with store._database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(*table.c).order_by(*table.primary_key))]
            for table in tables.metadata.sorted_tables
            if table is not tables.schema
        }


@pytest.mark.parametrize(("begins", "ends"), [("postgresql", "sqlite"), ("sqlite", "postgresql"), ("postgresql",) * 2])
def test_it_comes_back_in_another_database(
    postgres_schema: Callable[[str], str], tmp_path: Path, begins: str, ends: str
) -> None:
    urls = {"sqlite": str(tmp_path / "shop.db"), "postgresql": postgres_schema(f"old_{tmp_path.name}")}
    old_url = urls[begins] if begins == "sqlite" else f"{urls[begins]}&archive={tmp_path / 'days'}"
    into = None if ends == "sqlite" else postgres_schema(f"new_{tmp_path.name}")
    filled(old_url)
    with Store(old_url) as old:
        told = export(old, tmp_path / "shop.tar")
        assert (told["events"], told["decisions"], told["feedback"]) == (31, 1, 1)
        told = import_(tmp_path / "shop.tar", tmp_path / "new", into)
        assert (tmp_path / "new" / STORE).exists() == (into is None)
        assert told["store"].startswith("postgresql://postgres@" if into else str(tmp_path / "new"))
        with Store(told["store"]) as new:
            assert contents(new) == contents(old)
            assert new.events().equals(old.events())
            assert new.archive.named == (tmp_path / "new" / "recloop.archive")
            assert new.append_events([Event("ann", "i0", "view", 0.0, id="e0")]).duplicates == 1
            # the numbers go on where they were
            assert new.append_events([Event("ann", "i9", "view", 29 * DAY, id="new")]).accepted == 1
            new.append_decisions([Decision("d2", "bob", 29 * DAY, (), "blend")])
            assert [new.events()["id"][-1], new.decisions()["id"][-1]] == ["new", "d2"]
            new.releases.add("r", "/r", "0")
            new.releases.promote("r")
            new.archive.run(hot_days=0)
            assert new.archive.verify() == new.archive.strays() == []


def test_a_database_with_rows_takes_nothing_over(postgres_schema: Callable[[str], str], tmp_path: Path) -> None:
    url = postgres_schema(f"full_{tmp_path.name}")
    filled(str(tmp_path / "shop.db"))
    with Store(tmp_path / "shop.db") as store:
        export(store, tmp_path / "shop.tar")
    with Store(url) as store:
        store.append_events([Event("eve", "i", "view", 1.0, id="mine")])
        with pytest.raises(ConflictError, match=r"the store holds rows already \(events\); only an empty store takes"):
            import_(tmp_path / "shop.tar", tmp_path / "new", url)
        assert not (tmp_path / "new").exists()
        assert store.events()["id"].to_list() == ["mine"]
        assert store.experiments.all() == []
    with pytest.raises(SettingError, match="the archive goes into the folder of the import"):
        import_(tmp_path / "shop.tar", tmp_path / "new", f"{url}&archive=/days")


def test_a_copy_of_a_database_is_of_one_moment(postgres_schema: Callable[[str], str], tmp_path: Path) -> None:
    """Every event is written after its decision, so a copy that has the event has the decision too."""
    with Store(postgres_schema(f"moment_{tmp_path.name}")) as store:
        over = threading.Event()

        def write() -> None:
            for number in range(100_000):
                if over.is_set():
                    return
                store.append_decisions([Decision(f"d{number}", "u", 1.0, (), "blend")])
                store.append_events([Event("u", "i", "view", 1.0, id=f"e{number}", decision=f"d{number}")])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(5):
                store.copy_to(tmp_path / f"{number}.db")
        finally:
            over.set()
            writer.join()
        for number in range(5):
            with Store(tmp_path / f"{number}.db") as copy:
                decisions, events = set(copy.decisions()["id"]), set(copy.events()["decision"])
                assert events <= decisions
                assert len(decisions) - len(events) in {0, 1}
        assert store.counts()["events"] > 5


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
SPARSE = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0", "GNU.sparse.size": "999999999"}


def outside(found: Members) -> Members:
    """A store whose manifest names a file beside the folder, with what else it has in order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / STORE
        path.write_bytes(found[1][1])
        with closing(sqlite3.connect(path)) as store:
            store.execute("UPDATE archive_parts SET file = '../../x' WHERE seq = 1")
            store.commit()
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = path.read_bytes()
    files = json.loads(found[0][1])["files"] | {STORE: sha256(content).hexdigest()}
    return [header(found, files=files)[0], plain(STORE, content), *found[2:]]


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
        (lambda found: [*renamed(found, "x"), plain("x", b"", pax_headers=SPARSE)], "which is no plain file inside"),
        (outside, "has a manifest with '../../x', which its header does not name"),
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


def test_a_header_that_is_too_large_is_not_read(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.app.export.LONGEST_HEADER", 10)
    with pytest.raises(DataError, match=r"has an installation.json of \d+ bytes"):
        import_(packed, tmp_path / "new")
