"""Events per second through HTTP, on SQLite and PostgreSQL, next to what each database takes raw, in one run.

    python benchmarks/ingest.py [--seconds 5] [--postgres URL]

The raw floors write the same rows into the same tables with the database's own fastest way (SQLite: one prepared
insert for many rows; PostgreSQL: COPY into the table itself, without any look for duplicates), one flush to the disk
per commit. Without --postgres a server of this machine is started for the run, with its default settings, so with
fsync; where there is none, that part is left out.
"""

import argparse
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from serving import Server, post

from recloop.store import Store, tables
from recloop.types import Event

RECLOOP = """
from recloop.service.threads import pin_native_threads
pin_native_threads()
import sys
from recloop.service.server import serve
serve(sys.argv[1], port=0, log=None, ready=lambda url: print(url, flush=True))
"""
numbers = itertools.count()


def row() -> tuple[object, ...]:
    number = next(numbers)
    return (f"e{number:09d}", f"u{number * 7919 % 50_000}", f"i{number % 997}", "view", None, 1.7e9, 1.7e9, None)


def batches(size: int) -> Iterator[list[tuple[object, ...]]]:
    while True:
        yield [row() for _ in range(size)]


def rate(name: str, write: Callable[[list[tuple[object, ...]]], object], size: int, seconds: float) -> float:
    """Rows per second; making the rows is not counted."""
    done, used = 0, 0.0
    for batch in batches(size):
        start = time.perf_counter()
        write(batch)
        used += time.perf_counter() - start
        done += size
        if used > seconds:
            break
    print(f"{name:<58} {done / used:9,.0f} events/s")
    return done / used


def raw_sqlite(folder: Path, seconds: float) -> dict[int, float]:
    import sqlite3

    Store(folder / "raw.db").close()  # the same tables and settings
    names = tables.sent(tables.events)
    statement = f"INSERT INTO events ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")

    def write(rows: list[tuple[object, ...]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows)
        connection.execute("COMMIT")

    found = {size: rate(f"SQLite raw, a commit each {size}", write, size, seconds) for size in (100, 1000)}
    connection.close()
    return found


def raw_postgres(url: str, seconds: float) -> dict[int, float]:
    import psycopg

    names = ", ".join(f'"{name}"' for name in tables.sent(tables.events))
    with psycopg.connect(url.replace("+psycopg", "")) as connection:

        def write(rows: list[tuple[object, ...]]) -> None:
            with connection.cursor().copy(f"COPY events ({names}) FROM STDIN") as copy:
                for one in rows:
                    copy.write_row(one)
            connection.commit()

        return {size: rate(f"PostgreSQL raw COPY, a commit each {size}", write, size, seconds) for size in (100, 1000)}


def in_process(name: str, url: str, seconds: float) -> None:
    with Store(url) as store:

        def write(rows: list[tuple[object, ...]]) -> None:
            store.append_events([Event(r[1], r[2], r[3], r[5], r[4], r[0]) for r in rows])

        for size in (100, 1000):
            rate(f"{name}, Store.append_events, one caller, {size} a call", write, size, seconds)


def over_http(name: str, url: str, seconds: float) -> list[float]:
    server = Server(RECLOOP, url)

    def event() -> dict[str, object]:
        made = row()
        return {"user": made[1], "item": made[2], "kind": made[3], "id": made[0], "time": made[5]}

    def request(size: int) -> Callable[[], bytes]:
        return lambda: post(server.url, "/v1/events", {"events": [event() for _ in range(size)]})

    found = []
    for size, connections in ((100, 8), (1000, 8), (1, 64)):
        title = f"{name}, HTTP, events: {size} a post, {connections} c."
        server.measure(title, request(size), seconds, connections, per=size)
        found.append(server.rate)
    server.end()
    return found


@contextmanager
def postgres_server() -> Iterator[str]:
    """A server with its default settings in a temporary folder; "" where this machine has none."""
    found = [shutil.which("initdb"), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    programs = [Path(one).parent for one in found if one]
    if not programs:
        yield ""
        return
    home = Path(tempfile.mkdtemp(prefix="pg"))
    before: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
        before = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]

    def run(program: str, *words: str) -> None:
        words = (*before, str(programs[-1] / program), "-D", str(home / "data"), *words)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=home)

    run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
    run("pg_ctl", "-l", str(home / "log"), "-o", f"-k {home} -h ''", "-w", "start")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={home}"
    finally:
        run("pg_ctl", "-m", "fast", "-w", "stop")
        shutil.rmtree(home, ignore_errors=True)


def shares(name: str, reached: list[float], raw: dict[int, float]) -> None:
    hundred, thousand = (reached[place] / raw[size] for place, size in ((0, 100), (1, 1000)))
    print(f"\n{name}: through HTTP {hundred:.0%} of raw in hundreds, {thousand:.0%} in thousands\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--postgres", default="", help="the URL of a database that may be filled")
    settings = parser.parse_args()
    seconds = settings.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = raw_sqlite(folder, seconds)
        in_process("SQLite", str(folder / "store.db"), seconds)
        shares("SQLite", over_http("SQLite", str(folder / "http.db"), seconds), raw)
    with postgres_server() if not settings.postgres else nullcontext(settings.postgres) as url:
        if not url:
            print("PostgreSQL: there is none on this machine")
            return
        Store(url).close()
        raw = raw_postgres(url, seconds)
        in_process("PostgreSQL", url, seconds)
        shares("PostgreSQL", over_http("PostgreSQL", url, seconds), raw)


if __name__ == "__main__":
    main()
