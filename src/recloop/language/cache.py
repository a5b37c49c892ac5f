import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recloop.data.cache_folder import cache_folder
from recloop.errors import ArtifactError
from recloop.language.encoder import Encoder
from recloop.progress import SILENT, Progress

WINDOW = 4096  # texts between two commits: what a kill can cost
KEYS_PER_QUERY = 500  # every build of SQLite takes so many parameters
WAIT = 30.0  # seconds for another process to finish its commit

SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, check_sum INTEGER NOT NULL)"


class CachedEncoder:
    """An encoder that remembers on disk what it has encoded.

    One SQLite file per encoder, ``vectors/<fingerprint>.sqlite``, holds for each text a keyed 128-bit hash of it (never
    the text), the vector in float32 and a checksum. A text gets the same vector with the cache as without. Several
    processes may write; a kill loses at most the texts since the last commit. Damaged rows and files are made anew,
    and a folder that cannot be written costs time, nothing else.

    Args:
        encoder: what encodes the texts that are not yet known.
        folder: where to keep vectors, None for ``cache_folder()``.

    >>> from tempfile import TemporaryDirectory
    >>> from recloop.language import load_encoder
    >>> with TemporaryDirectory() as folder:
    ...     encoder = CachedEncoder(load_encoder(), Path(folder))
    ...     fresh, known = encoder.encode(["a lamp"]), encoder.encode(["a lamp"])
    >>> bool((fresh == known).all())
    True
    """

    def __init__(self, encoder: Encoder, folder: Path | None = None) -> None:
        self.encoder = encoder
        self.name, self.dimension, self.fingerprint = encoder.name, encoder.dimension, encoder.fingerprint
        self.path = (folder or cache_folder()) / "vectors" / f"{encoder.fingerprint[:32]}.sqlite"

    def encode(self, texts: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """(n, dimension) float32, as ``Encoder.encode``.

        Raises:
            ArtifactError: the encoder gives vectors of another length than it says.
        """
        if isinstance(texts, str):  # the encoder says what is wrong
            return self.encoder.encode(texts, progress)
        places: dict[str, int] = {}
        row = np.fromiter((places.setdefault(text, len(places)) for text in texts), np.int64, count=len(texts))
        distinct = list(places)
        keys = [self._key(text) for text in distinct]
        vectors = np.empty((len(distinct), self.dimension), np.float32)
        known = self._read(keys, vectors, progress)
        missing = np.flatnonzero(~known)
        if len(missing):
            with progress.task(f"encode ({self.name})", total=len(missing)) as advance:
                for start in range(0, len(missing), WINDOW):
                    part = missing[start : start + WINDOW]
                    vectors[part] = self._encode([distinct[i] for i in part], _Forward(advance, progress))
                    self._write([keys[i] for i in part], vectors[part], progress)
        return vectors[row]

    def _encode(self, texts: list[str], progress: Progress) -> NDArray[np.float32]:
        found = self.encoder.encode(texts, progress)
        if found.shape != (len(texts), self.dimension):
            raise ArtifactError(
                f"the encoder '{self.name}' gave an array of shape {found.shape} for {len(texts):,} texts",
                allowed=f"it says that its vectors have {self.dimension} numbers",
                advice="give an encoder whose vectors changed another fingerprint and dimension, and train again",
            )
        return found

    def _key(self, text: str) -> bytes:
        raw = text.encode("utf-8", "surrogatepass")
        return blake2b(raw, digest_size=16, key=self.fingerprint.encode()[:64]).digest()

    def _read(self, keys: list[bytes], out: NDArray[np.float32], progress: Progress) -> NDArray[np.bool_]:
        """Fills the rows of ``out`` that are on disk and whole; (n,) bool: which."""
        known = np.zeros(len(keys), dtype=bool)
        if not self.path.is_file():
            return known
        place = {key: i for i, key in enumerate(keys)}
        with self._usable(progress), closing(self._connect()) as connection:
            for start in range(0, len(keys), KEYS_PER_QUERY):
                part = keys[start : start + KEYS_PER_QUERY]
                query = f"SELECT key, vector, check_sum FROM vectors WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608 - question marks only
                whole = [(place[k], v) for k, v, check in connection.execute(query, part) if self._whole(k, v, check)]
                if whole:
                    rows = [i for i, _ in whole]
                    out[rows] = np.frombuffer(b"".join(v for _, v in whole), "<f4").reshape(-1, self.dimension)
                    known[rows] = True
        return known

    def _whole(self, key: bytes, vector: object, check: object) -> bool:
        return isinstance(vector, bytes) and len(vector) == 4 * self.dimension and crc32(key + vector) == check

    def _write(self, keys: list[bytes], vectors: NDArray[np.float32], progress: Progress) -> None:
        blobs = [row.tobytes() for row in vectors.astype("<f4", copy=False)]
        rows = [(key, blob, crc32(key + blob)) for key, blob in zip(keys, blobs, strict=True)]
        with self._usable(progress):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with closing(self._connect()) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=WAIT)
        try:
            connection.execute(SCHEMA)  # another process may have made the file and not yet the table
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _usable(self, progress: Progress) -> Iterator[None]:
        """What goes wrong with the file costs the cache, not the work."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:  # locked, read-only, full, not ours
            progress.note(f"the cache {self.path} cannot be used now ({error}); texts are encoded without it")
        except sqlite3.DatabaseError as error:  # not a database, or a damaged one
            progress.note(f"the cache {self.path} is damaged ({error}); it is made anew")
            self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)  # it would be replayed
            self.path.unlink(missing_ok=True)


class _Forward:
    """Lets an encoder move the bar of the cache instead of drawing one per window."""

    def __init__(self, advance: Callable[[float], None], progress: Progress) -> None:
        self._advance, self._progress = advance, progress

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:  # noqa: ARG002
        """The task of the cache."""
        yield self._advance

    def note(self, text: str) -> None:
        """Passed on."""
        self._progress.note(text)

    def validated(self, value: float) -> None:
        """Passed on."""
        self._progress.validated(value)
