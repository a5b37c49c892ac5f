"""Stores that are locked, closed or no stores, disks that are full, ports that are taken, and Ctrl-C."""

import contextlib
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recloop.store import Store

from .shell import COMMAND, PLAN, QUIET, Said, contents, recloop, refused, release_in, words

WRITES = (("keys", "create", "shop", "--scope", "events"), ("experiments", "create", "home.toml"), ("rollback",))
STOPPED = "Stopped. What was finished is kept, and nothing is half-written."
HOME = 'name = "home"\n[variants.a]\npolicy = "popular"\ncontrol = true\n[variants.b]\npolicy = "random"\n'


@pytest.fixture
def store(ran: Path) -> Path:
    """A store with a key, an experiment and two releases, in a folder where a run has been."""
    Path("home.toml").write_text(HOME)
    recloop("keys", "create", "first", "--scope", "events")
    recloop("experiments", "create", "home.toml")
    recloop("releases", "promote", release_in(ran))
    Path("recloop.toml").write_text(PLAN.replace("seed = 1", "seed = 2"))
    second = json.loads(recloop("run", "--json").out)["folder"]
    assert recloop("releases", "promote", Path(second) / "release").code == 0
    return ran / "recloop.db"


# ---- stores


def test_a_locked_store(store: Path) -> None:
    Path("home.toml").write_text(HOME.replace("home", "other"))
    before = contents(store.parent)
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        # both at once: each waits the five seconds that a store is waited for
        tried = [
            subprocess.Popen(
                [*COMMAND, *command],
                cwd=store.parent,
                env=os.environ | QUIET,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in (WRITES[1], (*WRITES[2], "--json"))
        ]
        assert recloop("keys", "list").code == 0  # reading goes on
        told = [process.communicate(timeout=60) for process in tried]
        other.execute("ROLLBACK")
    assert [process.returncode for process in tried] == [7, 7]
    assert [out for out, _ in told] == ["", ""]
    sentence = "the store recloop.db is locked by another process; wait and send it again; the same ids count once."
    assert words(told[0][1]) == f"error: {sentence}"
    assert json.loads(told[1][1])["error"] == {"kind": "StoreError", "message": sentence}
    assert contents(store.parent) == before
    assert recloop(*WRITES[1]).code == 0  # and now it works


def test_a_store_that_is_read_only(store: Path) -> None:
    Path("home.toml").write_text(HOME.replace("home", "other"))
    url = f"sqlite:///file:{store}?mode=ro&uri=true"
    for command in WRITES:
        refused(
            7, ("recloop.db is read-only", "give this user the right to write to the file"), *command, "--store", url
        )
    assert recloop("keys", "list", "--store", url).code == 0


def test_a_store_on_a_disk_that_is_read_only(store: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("4m")
    (disk / "recloop.db").write_bytes(store.read_bytes())
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for command in WRITES:
        refused(7, (f"the store {disk / 'recloop.db'}",), *command, "--store", disk / "recloop.db")
    refused(
        7,
        ("new.db cannot be opened", "may be written"),
        "keys",
        "create",
        "x",
        "--scope",
        "admin",
        "--store",
        disk / "new.db",
    )
    Path("recloop.toml").write_text(PLAN.replace("[run]", f'[run]\nout = "{disk}/runs"'))
    refused(7, ("cannot be written: the disk is read-only", "choose a folder that may be written"), "run")
    refused(7, ("cannot be written: the disk is read-only",), "init", "events.csv", "--out", disk / "recloop.toml")
    refused(7, ("cannot be written: the disk is read-only",), "check", "--html", disk / "check.html")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"these are notes, and no database at all " * 100, ("is not a database", "name another file")),
        (b"SQLite format 3\x00" + bytes(2000), ("notes.db", "another file")),
        (None, ("notes.db cannot be opened", "check that its folder exists")),
    ],
)
def test_a_store_that_is_none(ran: Path, content: bytes | None, parts: tuple[str, ...]) -> None:
    Path("home.toml").write_text(HOME)
    Path("notes.db").mkdir() if content is None else Path("notes.db").write_bytes(content)
    release = release_in(ran)
    for command in (
        ("keys", "list"),
        *WRITES,
        ("releases", "promote", release),
        ("serve", "--port", "0", "--release", release),
    ):
        refused(7, parts, *command, "--store", "notes.db")


def test_a_store_of_something_else_and_of_the_future(store: Path) -> None:
    with contextlib.closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE invoices (id)")
        other.commit()
    refused(
        7,
        ("other.db holds tables of something else (invoices)", "name another"),
        *WRITES[0],
        "--store",
        "other.db",
    )
    with contextlib.closing(sqlite3.connect(store)) as other:
        other.execute("UPDATE recloop_schema SET version = 99")
        other.commit()
    refused(7, ("recloop.db has schema 99", "upgrade recloop"), "releases", "list")


# ---- disks


@pytest.mark.parametrize("size", ["8k", "40k", "100k"])
def test_the_disk_is_full_while_a_run_is_written(ran: Path, small_disk: Callable[[str], Path], size: str) -> None:
    disk = small_disk(size)
    Path("recloop.toml").write_text(PLAN.replace("[run]", f'[run]\nout = "{disk}/runs"'))
    sentence = refused_on(disk, ("run",))
    assert f"{disk}/runs/" in sentence
    assert "cannot be written: the disk is full; nothing was left behind; free some space, or choose" in sentence
    assert f"{disk}/runs/." not in sentence  # the folder that was asked for, not the draft of it
    assert sorted(path.name for path in disk.rglob("*")) in ([], ["runs"])
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    assert recloop("run").code == 0  # the way out is one


@pytest.mark.parametrize("most", [1_000, 20_000, 40_000])
def test_a_quota_is_used_up_while_a_run_is_written(ran: Path, most: int) -> None:
    """Needs no disk of its own: the process may write no file of more than ``most`` bytes."""
    Path("recloop.toml").write_text(PLAN.replace("seed = 1", "seed = 5"))
    before = contents(ran)
    done = subprocess.run(
        [*COMMAND, "run", "--json"],
        env=os.environ | QUIET,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert (done.returncode, done.stdout) == (7, ""), done
    message = json.loads(done.stderr)["error"]["message"]
    assert message.startswith("runs/")
    assert "cannot be written: a file may not grow as large; nothing was left behind; free some space" in message
    assert contents(ran) == before


def test_the_disk_is_full_while_a_plan_or_a_page_is_written(shop: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("8k")
    (disk / "recloop.toml").write_text("mine")
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        filler.write(bytes(8192))
    for command in (
        ("init", "events.csv", "--force", "--out", str(disk / "recloop.toml")),
        ("check", "--html", str(disk / "check.html")),
    ):
        assert "cannot be written: the disk is full" in refused_on(disk, command)
    assert (disk / "recloop.toml").read_text() == "mine"
    assert not list(disk.glob("*.part")) + list(disk.glob(".*.part"))


def test_the_disk_is_full_under_the_store(store: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("8m")
    (disk / "recloop.db").write_bytes(store.read_bytes())
    assert recloop("keys", "list", "--store", disk / "recloop.db").code == 0
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    refused_on(disk, ("keys", "create", "late", "--scope", "events", "--store", str(disk / "recloop.db")))
    (disk / "filler").unlink()
    kept = json.loads(recloop("keys", "list", "--store", disk / "recloop.db", "--json").out)
    assert [key["name"] for key in kept] == ["first"]
    refused_on(small_disk("8k"), ("keys", "create", "x", "--scope", "admin", "--store", "disk1/new.db"))


def refused_on(disk: Path, command: tuple[str, ...]) -> str:
    """The sentence with which a command is refused that meets a full disk, where nothing can be counted on but it."""
    before = contents(Path.cwd())
    said = recloop(*command, "--json")
    assert said.code == 7, said
    told = json.loads(said.err)["error"]
    assert told["kind"] == "StoreError"
    assert {name: one for name, one in contents(Path.cwd()).items() if not name.startswith(disk.name)} == {
        name: one for name, one in before.items() if not name.startswith(disk.name)
    }
    return words(told["message"])


# ---- ports


def test_a_port_in_use(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(
            5,
            (f"port {port} on 127.0.0.1 is in use", "choose another port; 0 is any free one"),
            *("serve", "--port", port),
        )


def test_a_host_that_strangers_reach(ran: Path) -> None:
    release = release_in(ran)
    Store("recloop.db").close()
    open_to_all = ("serve", "--host", "0.0.0.0", "--port", "0", "--release", release)
    refused(
        2,
        ("0.0.0.0 can be reached by other machines, and the store has no API key", "recloop keys create"),
        *open_to_all,
    )
    refused(2, ("keys are switched off",), *open_to_all, "--no-keys")
    refused(
        2,
        ("the service cannot listen on 192.0.2.1:0",),
        "serve",
        "--host",
        "192.0.2.1",
        "--port",
        "0",
        "--release",
        release,
    )


# ---- Ctrl-C


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_ctrl_c_leaves_no_half_run(ran: Path, flags: tuple[str, ...]) -> None:
    """The earlier run stays, and the stopped one leaves nothing."""
    Path("recloop.toml").write_text(PLAN.replace("seed = 1", "seed = 3").replace('"ease"]', '"ease", "ials"]'))
    before = contents(ran)
    process = subprocess.Popen(
        [*COMMAND, "run", *flags],
        cwd=ran,
        env=os.environ | QUIET,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(ran.glob("runs/.*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    if flags:
        assert json.loads(err)["error"] == {"kind": "Stopped", "message": STOPPED}
    else:
        assert words(err).endswith(f"error: {STOPPED}")
    assert contents(ran) == before


@pytest.mark.parametrize("flushed", [0, 3, 12])
def test_ctrl_c_while_the_folder_is_flushed(ran: Path, monkeypatch: pytest.MonkeyPatch, flushed: int) -> None:
    Path("recloop.toml").write_text(PLAN.replace("seed = 1", "seed = 3"))
    before, left = contents(ran), iter(range(flushed))

    def interrupted(_handle: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("recloop.loop.folder.os.fsync", interrupted)
    said = recloop("run")
    assert (said.code, said.out) == (130, "")
    assert said.err.endswith(f"error: {STOPPED}")
    assert contents(ran) == before


def test_a_run_that_was_killed_is_swept_by_the_next(ran: Path) -> None:
    plan = PLAN.replace("seed = 1", "seed = 4").replace('"ease"]', '"ease", "ials"]')
    Path("recloop.toml").write_text(plan)
    process = subprocess.Popen([*COMMAND, "run", "--json"], cwd=ran, env=os.environ | QUIET, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(ran.glob("runs/.*")):
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert len(list(ran.glob("runs/.*"))) == 1
    said: Said = recloop("run")
    assert said.code == 0, said
    assert not list(ran.glob("runs/.*"))
    assert "wrote" in said.out
