from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError

KEPT = 100  # examples kept of each reason
SHOWN = 5  # examples shown in an error


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad row: where it stands and why it was left out.

    ``line`` counts from 1 and includes the header (in Parquet files it is the row). ``detail`` is the offending number
    or count, never an id or a text.
    """

    file: str
    line: int
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass
class Problems:
    """The bad rows of one file: counted by reason, with the first hundred of each kept.

    >>> problems = Problems("events.csv")
    >>> problems.add("too few fields", [7, 9], ["1 of 3", "2 of 3"])
    >>> problems.rows = 50
    >>> problems.bad, problems.counts, str(problems.examples[0])
    (2, {'too few fields': 2}, 'line 7: too few fields (1 of 3)')
    """

    file: str
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    kept: dict[str, list[Problem]] = field(default_factory=dict)

    def add(
        self,
        reason: str,
        lines: Sequence[int] | NDArray[np.integer],
        details: Sequence[str] = (),
        *,
        count: int | None = None,
    ) -> None:
        """Count bad rows of one reason.

        Args:
            reason: why, the same words for the same fault.
            lines: their line numbers.
            details: one per line, or none.
            count: how many rows were lost where that is more than the lines named.
        """
        count = len(lines) if count is None else count
        if not count:
            return
        self.counts[reason] = self.counts.get(reason, 0) + count
        kept = self.kept.setdefault(reason, [])
        room = KEPT - len(kept)
        for place, line in enumerate(lines[:room]):
            kept.append(Problem(self.file, int(line), reason, details[place] if place < len(details) else ""))

    @property
    def bad(self) -> int:
        """Rows left out."""
        return sum(self.counts.values())

    @property
    def share(self) -> float:
        """Bad rows per row of the file."""
        return self.bad / self.rows if self.rows else 0.0

    @property
    def examples(self) -> list[Problem]:
        """The kept problems of all reasons, by line."""
        return sorted((p for kept in self.kept.values() for p in kept), key=lambda p: p.line)

    def stop_above(self, limit: float) -> None:
        """Raise when more than ``limit`` of the rows are bad.

        Raises:
            DataError: with the first few bad rows.
        """
        if self.share <= limit:
            return
        first = "; ".join(str(problem) for problem in self.examples[:SHOWN])
        more = f"; and {self.bad - SHOWN:,} more" if self.bad > SHOWN else ""
        raise DataError(
            f"{self.file} has {self.bad:,} bad {'row' if self.bad == 1 else 'rows'} of {self.rows:,} "
            f"({self.share:.1%}): {first}{more}",
            allowed=f"At most {limit:.4g} of the rows may be bad (bad_rows)",
            advice="Mend the rows, correct the column map, or raise bad_rows to read the rest",
        )

    def to_dict(self) -> dict[str, Any]:
        """Counts and examples as plain JSON values."""
        return {
            "file": self.file,
            "rows": self.rows,
            "bad": self.bad,
            "share": self.share,
            "counts": dict(sorted(self.counts.items(), key=lambda pair: -pair[1])),
            "examples": [{"line": p.line, "reason": p.reason, "detail": p.detail} for p in self.examples],
        }
