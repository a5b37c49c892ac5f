import contextlib
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any


class Replies:
    """Answers of language models on disk, by the SHA-256 of all that was asked.

    One file per answer. It holds the answer and a checksum, not the prompt. A damaged file is as if it were not there,
    and a folder that cannot be written costs calls, nothing else.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     replies = Replies(Path(folder))
    ...     key = replies.key({"model": "m", "messages": []})
    ...     replies.put(key, "[1, 2]")
    ...     replies.get(key)
    '[1, 2]'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def key(asked: Any) -> str:
        """Of a request as plain values."""
        return sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def get(self, key: str) -> str | None:
        """The answer, None where there is none."""
        try:
            found = json.loads(self._path(key).read_bytes())
            text = str(found["answer"])
            return text if found["sum"] == _sum(text) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, answer: str) -> None:
        """Keep an answer; a reader sees all of it or nothing."""
        path = self._path(key)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({"answer": answer, "sum": _sum(answer)}), encoding="utf-8")
            draft.replace(path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _sum(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
