"""An encoder without a model, for tests of what stands around one. Run as a script it fills a cache."""

import sys
import time
from pathlib import Path

import numpy as np

from recloop.language.cache import CachedEncoder
from recloop.progress import SILENT


class Letters:
    name, dimension, fingerprint = "letters", 26, "letters-1"

    def __init__(self, pause=0.0):
        self.seen: list[str] = []
        self.pause = pause

    def encode(self, texts, progress=SILENT):
        self.seen += texts
        time.sleep(self.pause)
        counts = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], np.float32) + 0.01
        with progress.task("letters", total=len(texts)) as advance:
            advance(len(texts))
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


if __name__ == "__main__":
    folder, first, n, pause = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    import recloop.language.cache as module

    module.WINDOW = 50
    print("ready", flush=True)
    CachedEncoder(Letters(pause), folder).encode([f"text {chr(97 + i % 26)} {i}" for i in range(first, first + n)])
