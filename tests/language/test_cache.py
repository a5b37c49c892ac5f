import importlib.util
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from recloop.errors import ArtifactError, SettingError
from recloop.language import CachedEncoder, cache_folder, load_encoder

SCRIPT = Path(__file__).with_name("letters.py")
spec = importlib.util.spec_from_file_location("letters", SCRIPT)
letters = importlib.util.module_from_spec(spec)
spec.loader.exec_module(letters)
Letters = letters.Letters

TEXTS = ["abc", "zebra", "", "abc", "half \ud83d", "crème", "x" * 10_000]


class Notes:
    def __init__(self):
        self.lines, self.done, self.totals = [], 0, []

    @contextmanager
    def task(self, description, total=None):
        self.totals.append(total)

        def advance(amount):
            self.done += amount

        yield advance

    def note(self, text):
        self.lines.append(text)


def rows(path: Path) -> list[tuple[bytes, bytes, int]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT key, vector, check_sum FROM vectors").fetchall()


def test_a_text_is_encoded_once_and_its_vector_is_the_same(tmp_path):
    plain = Letters().encode(TEXTS)
    first = CachedEncoder(Letters(), tmp_path)
    np.testing.assert_array_equal(first.encode(TEXTS), plain)
    assert sorted(first.encoder.seen) == sorted(set(TEXTS))
    again = CachedEncoder(Letters(), tmp_path)
    np.testing.assert_array_equal(again.encode([*TEXTS[::-1], "new"])[:-1], plain[::-1])
    assert again.encoder.seen == ["new"]
    assert (again.name, again.dimension, again.fingerprint) == ("letters", 26, "letters-1")


def test_one_bar_for_all_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("recloop.language.cache.WINDOW", 10)
    cached, notes = CachedEncoder(Letters(), tmp_path), Notes()
    cached.encode([f"a{i}" for i in range(35)])
    cached.encode([f"a{i}" for i in range(95)], notes)
    assert (notes.totals, notes.done, notes.lines) == ([60], 60, [])


def test_another_encoder_has_another_file(tmp_path):
    CachedEncoder(Letters(), tmp_path).encode(["abc"])
    other = Letters()
    other.fingerprint = "letters-2"
    CachedEncoder(other, tmp_path).encode(["abc"])
    assert other.seen == ["abc"]
    assert len(list(tmp_path.glob("vectors/*.sqlite"))) == 2


def test_no_text_is_stored(tmp_path):
    secret = "a very private sentence about somebody"
    cached = CachedEncoder(Letters(), tmp_path)
    cached.encode([secret, "padding"])
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert stored
    for word in secret.split():
        assert len(word) < 5 or word.encode() not in stored


def test_a_damaged_row_is_made_anew(tmp_path):
    cached = CachedEncoder(Letters(), tmp_path)
    plain = cached.encode(["abc", "def", "ghi", "jkl"])
    stored = rows(cached.path)
    with closing(sqlite3.connect(cached.path)) as connection, connection:
        flipped = bytes([stored[0][1][0] ^ 1]) + stored[0][1][1:]
        connection.execute("UPDATE vectors SET vector = ? WHERE key = ?", (flipped, stored[0][0]))
        connection.execute("UPDATE vectors SET vector = ? WHERE key = ?", (stored[1][1][:-4], stored[1][0]))
        connection.execute("UPDATE vectors SET vector = 'text' WHERE key = ?", (stored[2][0],))
    again = CachedEncoder(Letters(), tmp_path)
    np.testing.assert_array_equal(again.encode(["abc", "def", "ghi", "jkl"]), plain)
    assert len(again.encoder.seen) == 3
    assert sorted(rows(cached.path)) == sorted(stored)


@pytest.mark.parametrize("damage", ["garbage", "cut", "zeros inside", "empty"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    texts = [f"text {i}" for i in range(300)]
    cached = CachedEncoder(Letters(), tmp_path)
    plain = cached.encode(texts)
    whole = cached.path.read_bytes()
    damaged = {
        "garbage": b"no database" * 1000,
        "cut": whole[: len(whole) // 2],
        "zeros inside": whole[:4096] + bytes(8192) + whole[12288:],
        "empty": b"",
    }
    cached.path.write_bytes(damaged[damage])
    notes = Notes()
    np.testing.assert_array_equal(CachedEncoder(Letters(), tmp_path).encode(texts, notes), plain)
    assert damage == "empty" or any("it is made anew" in line for line in notes.lines)
    healed = CachedEncoder(Letters(), tmp_path)
    np.testing.assert_array_equal(healed.encode(texts), plain)
    healed.encode(texts)
    assert len(rows(cached.path)) == 300


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cached, notes = CachedEncoder(Letters(), tmp_path / "file"), Notes()
    np.testing.assert_array_equal(cached.encode(TEXTS, notes), Letters().encode(TEXTS))
    assert any("cannot be used now" in line and "texts are encoded without it" in line for line in notes.lines)


def test_a_file_of_something_else_is_left_alone(tmp_path):
    cached, notes = CachedEncoder(Letters(), tmp_path), Notes()
    cached.path.parent.mkdir()
    with closing(sqlite3.connect(cached.path)) as connection, connection:
        connection.execute("CREATE TABLE vectors (something TEXT)")
    before = cached.path.read_bytes()
    np.testing.assert_array_equal(cached.encode(TEXTS, notes), Letters().encode(TEXTS))
    assert any("no such column" in line for line in notes.lines)
    assert cached.path.read_bytes() == before


def test_a_full_disk_costs_time_only_and_leaves_what_was_there_whole(tmp_path):
    class Full(CachedEncoder):
        def _connect(self):
            connection = super()._connect()
            connection.execute("PRAGMA max_page_count = 12")
            return connection

    few, many = ["abc", "def"], [f"text {i}" for i in range(2000)]
    CachedEncoder(Letters(), tmp_path).encode(few)
    cached, notes = Full(Letters(), tmp_path), Notes()
    np.testing.assert_array_equal(cached.encode(many, notes), Letters().encode(many))
    assert any("full" in line for line in notes.lines)
    assert len(rows(cached.path)) == 2


def fill(folder: Path, first: int, n: int, pause: float) -> subprocess.Popen:
    arguments = [sys.executable, str(SCRIPT), str(folder), str(first), str(n), str(pause)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def test_two_processes_fill_one_cache(tmp_path):
    for process in [fill(tmp_path, 0, 1000, 0.005), fill(tmp_path, 500, 1000, 0.005)]:
        assert process.wait(60) == 0
        process.stdout.close()
    texts = [f"text {chr(97 + i % 26)} {i}" for i in range(1500)]
    cached = CachedEncoder(Letters(), tmp_path)
    np.testing.assert_array_equal(cached.encode(texts), Letters().encode(texts))
    assert not cached.encoder.seen
    assert len(rows(cached.path)) == 1500


def test_a_kill_keeps_what_was_committed(tmp_path):
    cached = CachedEncoder(Letters(), tmp_path)
    cached.encode(["before"])
    process = fill(tmp_path, 0, 500_000, 0.0)
    until = time.monotonic() + 60
    while len(rows(cached.path)) < 500 and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.wait()
    process.stdout.close()
    kept = len(rows(cached.path)) - 1
    assert kept >= 499
    assert kept % 50 == 0
    texts = [f"text {chr(97 + i % 26)} {i}" for i in range(kept + 100)]
    np.testing.assert_array_equal(cached.encode(texts), Letters().encode(texts))
    assert len(cached.encoder.seen) == 101


def test_one_string_is_refused_as_by_the_encoder(tmp_path, model_folder):
    with pytest.raises(SettingError, match="one text was given where a list is wanted"):
        CachedEncoder(load_encoder(str(model_folder())), tmp_path).encode("one text")


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("RECLOOP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "recloop"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "recloop"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "recloop" / "cache"


def test_an_encoder_whose_vectors_changed_size_is_named(tmp_path):
    other = Letters()
    other.dimension = 25
    with pytest.raises(ArtifactError) as caught:
        CachedEncoder(other, tmp_path).encode(["abc", "def"])
    assert str(caught.value) == (
        "the encoder 'letters' gave an array of shape (2, 26) for 2 texts; it says that its vectors have 25 numbers; "
        "give an encoder whose vectors changed another fingerprint and dimension, and train again."
    )
    assert not (tmp_path / "vectors").exists()
