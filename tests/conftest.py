"""What every test may use: the real data, where it lies on this machine, and servers of one's own."""

import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# vectors that tests make are kept beside the tests, not in the user's cache
os.environ.setdefault("RECLOOP_CACHE", str(Path(__file__).resolve().parent.parent / ".cache"))
# processes that tests start share what the first one compiled, about a third of a start
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


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


@pytest.fixture(autouse=True)
def _operators_are_read_once() -> None:
    """Torch's exporter parses the source of 500 operators at each export, most of its time; here once a process."""
    registry = getattr(sys.modules.get("torch.onnx._internal.exporter._registration"), "ONNXRegistry", None)
    if registry is not None and not hasattr(registry.from_torchlib, "cache_info"):
        registry.from_torchlib = staticmethod(functools.cache(registry.from_torchlib))


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server of one's own, in a folder of its own."""

    home: Path
    programs: Path
    as_whom: tuple[str, ...]

    @property
    def url(self) -> str:
        """Of the database ``postgres``."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.home}"

    def run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [*self.as_whom, str(self.programs / program), *words],
            capture_output=True,
            text=True,
            cwd=self.home,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        options = f"-k {self.home} -h '' -c fsync=off -c max_connections=200"
        self.run("pg_ctl", "-D", str(self.home / "data"), "-l", str(self.home / "log"), "-o", options, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        self.run("pg_ctl", "-D", str(self.home / "data"), "-m", how, "-w", "stop")

    def freeze(self) -> None:
        """Stop all of its processes where they are."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        first = (self.home / "data" / "postmaster.pid").read_text().split()[0]
        for process in (first, *Path(f"/proc/{first}/task/{first}/children").read_text().split()):
            os.kill(int(process), number)


@contextmanager
def postgres_of_ones_own() -> Iterator[PostgresServer]:
    """A server that lives as long as the context; a skip that says why where there is none."""
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    found = [shutil.which("initdb"), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    programs = [Path(one).parent for one in found if one]
    if not programs:
        pytest.skip("no PostgreSQL on this machine: no initdb on the PATH nor in /usr/lib/postgresql")
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
    as_whom: tuple[str, ...] = ()
    if os.geteuid() == 0:  # the server refuses to run as root
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            shutil.rmtree(home)
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
        as_whom = ("setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups")
    server = PostgresServer(home, programs[-1], as_whom)
    data = str(home / "data")
    server.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server that all tests share; who stops it uses one of his own."""
    with postgres_of_ones_own() as server:
        yield server


@pytest.fixture(scope="session")
def postgres(postgres_server: PostgresServer) -> str:
    """The URL of a database that all tests share."""
    return postgres_server.url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> Callable[[str], str]:
    """From a name to the URL of the database of that name, made when it is not there."""
    import psycopg

    def database(name: str) -> str:
        with psycopg.connect(f"host={postgres_server.home} user=postgres dbname=postgres", autocommit=True) as admin:
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                admin.execute(f'CREATE DATABASE "{name}"')
        return postgres_server.database(name)

    return database


@pytest.fixture(scope="session")
def postgres_schema(postgres_server: PostgresServer) -> Callable[[str], str]:
    """From a name to the URL of the schema of that name, made when it is not there: cheaper than a database."""
    import psycopg

    def schema(name: str) -> str:
        with psycopg.connect(f"host={postgres_server.home} user=postgres dbname=postgres", autocommit=True) as admin:
            admin.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}"')
        return f"{postgres_server.url}&options=-csearch_path%3D{name}"

    return schema


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    with postgres_of_ones_own() as server:
        yield server


class RedisServer:
    """A Redis of one's own that keeps nothing on the disk."""

    def __init__(self, program: str, folder: Path) -> None:
        self._words = [
            program,
            "--port",
            "0",
            "--unixsocket",
            str(folder / "r.sock"),
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        self.url = f"unix://{folder / 'r.sock'}"
        self.start()

    def start(self) -> None:
        import redis

        self.process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    assert time.monotonic() < until
                    time.sleep(0.01)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis that lives as long as the test; a skip that says why where there is none."""
    pytest.importorskip("redis", reason="needs the extra redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on the PATH")
    with tempfile.TemporaryDirectory(prefix="rd", dir="/tmp") as folder:  # a socket's path must be short
        server = RedisServer(program, Path(folder))
        try:
            yield server
        finally:
            server.stop()
