import stat
from pathlib import Path

import pytest

from recloop.errors import ConflictError, RecloopError
from recloop.loop.folder import whole_folder


def test_it_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "run"
    with whole_folder(target) as draft:
        (draft / "inner").mkdir()
        (draft / "inner" / "a").write_text("1")
        assert not target.exists()
    assert (target / "inner" / "a").read_text() == "1"
    assert [path.name for path in target.parent.iterdir()] == ["run"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_leaves_nothing_and_passes_through(tmp_path: Path, error: BaseException) -> None:
    def write() -> None:
        with whole_folder(tmp_path / "run") as draft:
            (draft / "a").write_text("1")
            raise error

    with pytest.raises(type(error)):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("kept")
    with pytest.raises(ConflictError) as caught, whole_folder(tmp_path / "run"):
        raise AssertionError("not reached")
    assert str(caught.value) == f"{tmp_path / 'run'} exists already; name another folder."
    assert (tmp_path / "run" / "mine").read_text() == "kept"


def test_the_quicker_one_wins(tmp_path: Path) -> None:
    def write() -> None:
        with whole_folder(tmp_path / "run"), whole_folder(tmp_path / "run") as quicker:
            (quicker / "a").write_text("quicker")

    with pytest.raises(ConflictError, match="made by somebody else meanwhile"):
        write()
    assert (tmp_path / "run" / "a").read_text() == "quicker"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecloopError) as caught, whole_folder(tmp_path / "file" / "run"):
        raise AssertionError("not reached")
    assert "folder" in str(caught.value)
    assert (tmp_path / "file").read_text() == ""


def test_a_disk_error_of_another_kind_passes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "run"):
        (tmp_path / "gone").stat()
    assert list(tmp_path.iterdir()) == []
