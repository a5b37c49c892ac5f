import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recloop.errors import ArtifactError, ConflictError
from recloop.loop.promote import promote, rollback
from recloop.loop.release import successor
from recloop.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "shop.db") as opened:
        yield opened


@pytest.fixture
def two(release: Path, tmp_path: Path) -> tuple[Path, Path]:
    return release, successor(release, tmp_path / "second", name="2-second", version=2)


def test_promote_and_roll_back_with_a_line_each(store: Store, two: tuple[Path, Path]) -> None:
    first, second = two
    assert promote(store, first, actor="ann").name == "1-first"
    assert promote(store, second, actor="bob").name == "2-second"
    assert store.releases.active().name == "2-second"
    assert rollback(store, actor="cy").name == "1-first"
    assert store.releases.active().name == "1-first"
    said = [(line.actor, line.action, line.subject) for line in reversed(store.audit.lines())]
    assert [line for line in said if line[1] != "add release"] == [
        ("ann", "promote release", "1-first"),
        ("bob", "promote release", "2-second"),
        ("cy", "roll back release", "1-first"),
    ]


def test_a_damaged_release_is_never_promoted(store: Store, two: tuple[Path, Path]) -> None:
    first, second = two
    promote(store, first, actor="ann")
    (second / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"items\.parquet"):
        promote(store, second, actor="ann")
    assert store.releases.active().name == "1-first"
    assert [record.name for record in store.releases.all()] == ["1-first"]


def test_no_way_back_to_a_damaged_release(store: Store, two: tuple[Path, Path]) -> None:
    for folder in two:
        promote(store, folder, actor="ann")
    (two[0] / "vectors.npz").unlink()
    with pytest.raises(ArtifactError, match=r"vectors\.npz of the release .* is missing"):
        rollback(store, actor="ann")
    assert store.releases.active().name == "2-second"


def test_nothing_to_roll_back_to(store: Store, two: tuple[Path, Path]) -> None:
    with pytest.raises(ConflictError, match="there is no release to roll back to"):
        rollback(store, actor="ann")
    promote(store, two[0], actor="ann")
    with pytest.raises(ConflictError, match="there is no release to roll back to"):
        rollback(store, actor="ann")


def test_one_name_is_one_content(store: Store, two: tuple[Path, Path], tmp_path: Path) -> None:
    promote(store, two[0], actor="ann")
    other = successor(two[1], tmp_path / "other", name="1-first", version=9)
    with pytest.raises(ConflictError, match="there is a release '1-first' already"):
        promote(store, other, actor="ann")


def test_many_promote_at_once(store: Store, two: tuple[Path, Path], tmp_path: Path) -> None:
    folders = [successor(two[0], tmp_path / f"r{n}", name=f"{n}-r", version=n) for n in range(3, 9)]
    threads = [threading.Thread(target=promote, args=(store, folder), kwargs={"actor": "ann"}) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(record.active for record in store.releases.all()) == 1
    order = [line.subject for line in reversed(store.audit.lines()) if line.action == "promote release"]
    assert sorted(order) == sorted(f"{n}-r" for n in range(3, 9))
    assert store.releases.active().name == order[-1]
    assert rollback(store, actor="ann").name == order[-2]
