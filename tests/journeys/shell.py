"""The commands as a user types them, a small shop to try them on, and what a refusal must look like."""

import contextlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from recloop.cli.main import main

COMMAND = [sys.executable, "-m", "recloop"]
QUIET = {"OMP_NUM_THREADS": "1"}
SHELVES = ("lamps", "chairs", "tables", "rugs")
PLAN = """\
[data]
events = "events.csv"
items = "items.csv"

[strategies]
use = ["popular", "item-knn", "ease"]

[strategies.ease]
reg = 20.0

[metrics]
names = ["ndcg", "recall", "coverage", "diversity"]
k = [10]

[run]
seed = 1
"""


class Said(NamedTuple):
    """What a command left with and said; runs of spaces and line ends are one space."""

    code: int
    out: str
    err: str


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def log(users: int = 300, items: int = 80, each: int = 15, seed: int = 7) -> pl.DataFrame:
    """A log of people with tastes, each of whom mostly stays at one of four shelves."""
    rng = np.random.default_rng(seed)
    shelf = np.repeat(rng.integers(0, 4, users), each)
    size = items // 4
    near = shelf * size + (rng.random(users * each) ** 2 * size).astype(int)
    item = np.where(rng.random(users * each) < 0.75, near, rng.integers(0, items, users * each))
    return pl.DataFrame(
        {
            "user": [f"u{user}" for user in np.repeat(np.arange(users), each)],
            "item": [f"i{one}" for one in item],
            "kind": rng.choice(["view", "click", "purchase"], users * each, p=[0.6, 0.3, 0.1]),
            "time": (1.6e9 + rng.random(users * each) * 60 * 86_400).astype(int),
        }
    )


def catalogue(items: int = 80) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item": [f"i{one}" for one in range(items)],
            "title": [f"{SHELVES[4 * one // items]} number {one}" for one in range(items)],
            "price": [10.0 + one for one in range(items)],
        }
    )


def release_in(folder: Path) -> Path:
    """The release of the only run in a folder, as a user types it."""
    (release,) = sorted(Path(folder).glob("runs/*/release"))
    return release.relative_to(folder)


def recloop(*arguments: str | Path) -> Said:
    """A command in this process, as ``main`` runs it."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Said(code, out.getvalue(), words(err.getvalue()))


def contents(folder: Path) -> dict[str, object]:
    """Every file below a folder with what it holds; of a database its rows."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[name] = "folder"
        elif not name.endswith(("-wal", "-shm")):
            found[name] = _rows(path) or path.read_bytes()
    return found


def _rows(path: Path) -> list[str]:
    """The rows of a database that can be read, nothing of another file."""
    if not path.read_bytes().startswith(b"SQLite format 3"):
        return []
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return list(database.iterdump())
    except sqlite3.Error:  # damaged, or on a disk where no lock can be taken
        return []


def refused(code: int, parts: tuple[str, ...], *command: str | Path) -> str:
    """Assert that a command is refused as it should be, plainly and with ``--json``, and changes nothing.

    Args:
        code: the exit code.
        parts: what the sentence must have: what was given, the rule, the way out.
        command: as typed.

    Returns:
        The sentence.
    """
    before = contents(Path.cwd())
    plain, machine = recloop(*command), recloop(*command, "--json")
    assert contents(Path.cwd()) == before
    assert (plain.code, machine.code) == (code, code), (plain, machine)
    assert plain.out == machine.out == ""
    sentence = words(json.loads(machine.err)["error"]["message"])
    assert plain.err.endswith(f"error: {sentence}")
    assert "Traceback" not in plain.err
    assert "Errno" not in sentence
    for part in parts:
        assert part in sentence
    return sentence


class Service:
    """``recloop serve`` in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--json", "--quiet", *options],
            cwd=folder,
            env=os.environ | QUIET,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = []
        while (line := self.process.stdout.readline()) and line != "}\n":
            lines.append(line)
        self.url = json.loads("".join([*lines, "}"]))["url"] if lines else ""

    def end(self, signal: int) -> Said:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(signal)
        out, err = self.process.communicate(timeout=30)
        return Said(self.process.returncode, out, words(err))
