import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recloop.errors import AnswerError

log = logging.getLogger("recloop.language")


class Ledger:
    """What calls of language models cost, one JSON line each, and the budget that ends them.

    The file outlives the process, several processes may write to it, and each sees what the others spent. A line holds
    time, model, tokens, cost and outcome: no text, no key, no user. A call is let through only if its greatest cost
    still fits beside everything that is spent or under way in this process.

    Args:
        path: of the file; made when the first line is written.
        budget: what all calls in the file may cost together, None for no limit.
        input_price: of a million tokens of prompts.
        output_price: of a million tokens of answers. The currency is yours, one for all.
        now: the clock, seconds since 1970.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     ledger = Ledger(Path(folder) / "calls.jsonl", budget=1.0, input_price=2.0, output_price=8.0)
    ...     ledger.settle(ledger.reserve(1000, 200), "m", 900, 100, "answered")
    ...     ledger.spent()
    0.0026
    """

    def __init__(
        self,
        path: Path,
        *,
        budget: float | None = None,
        input_price: float = 0.0,
        output_price: float = 0.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path, self.budget, self.now = path, budget, now
        self.input_price, self.output_price = input_price, output_price
        self._lock = threading.Lock()
        self._read = 0  # bytes of the file that are in _spent
        self._spent = 0.0
        self._reserved = 0.0
        self._unwritten = 0.0

    def cost(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Of a call."""
        return (prompt_tokens * self.input_price + answer_tokens * self.output_price) / 1e6

    def spent(self) -> float:
        """What all calls in the file have cost, those of other processes too."""
        with self._lock:
            return self._known()

    def reserve(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Set aside the greatest cost of a call; give it back with ``settle``.

        Raises:
            AnswerError: it does not fit into the budget, or the file cannot be written: nothing is spent unwritten.
        """
        cost = self.cost(prompt_tokens, answer_tokens)
        with self._lock:
            try:
                self._append(b"")
            except OSError as error:
                raise AnswerError(
                    f"the ledger {self.path} cannot be written: {error.strerror}",
                    advice="name a file that can be, or make room",
                    reason="ledger",
                ) from error
            if self.budget is not None and self._known() + self._reserved + cost > self.budget:
                raise AnswerError(
                    f"the budget for language models is spent: {self._spent:.4f} of {self.budget:g}",
                    advice="raise the budget, or start another ledger",
                    reason="budget",
                )
            self._reserved += cost
        return cost

    def settle(self, reserved: float, model: str, prompt_tokens: int, answer_tokens: int, outcome: str) -> None:
        """Write down what a call took. On a disk that has become full it is remembered until the process ends."""
        line: dict[str, Any] = {
            "time": round(self.now(), 3),
            "model": model,
            "prompt_tokens": prompt_tokens,
            "answer_tokens": answer_tokens,
            "cost": self.cost(prompt_tokens, answer_tokens),
            "outcome": outcome,
        }
        with self._lock:
            self._reserved -= reserved
            try:
                self._append(json.dumps(line).encode() + b"\n")
            except OSError as error:
                self._unwritten += line["cost"]
                log.warning("the ledger %s cannot be written: %s", self.path, error.strerror)

    def _append(self, line: bytes) -> None:
        """One write to a file opened for appending: lines of several processes do not mix."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def _known(self) -> float:
        """Costs of the lines that were added since the last look; a line that is no entry is passed over."""
        if not self.path.is_file():
            self._read, self._spent = 0, 0.0
            return self._unwritten
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._read:  # begun anew
                self._read, self._spent = 0, 0.0
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._read += len(line)
                self._spent += _cost(line)
        return self._spent + self._unwritten


def _cost(line: bytes) -> float:
    try:
        return max(0.0, float(json.loads(line)["cost"]))
    except (ValueError, KeyError, TypeError):
        return 0.0
