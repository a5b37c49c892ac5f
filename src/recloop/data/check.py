"""What is in the data and what is wrong with it, in numbers and sentences."""

from dataclasses import dataclass
from typing import Any

from recloop.data.checks import bots, bursts, counts, leakage, rows, text, time, vectors
from recloop.data.checks.finding import Finding, Severity, count
from recloop.data.source import Reading


@dataclass(frozen=True)
class Check:
    """The result of looking at a reading.

    Attributes:
        numbers: section → figures, all plain JSON values.
        findings: errors first, then warnings, then the rest.
    """

    numbers: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Severity:
        """The severity of the worst finding."""
        return self.findings[0].severity if self.findings else "info"

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        counts = self.numbers["counts"]
        size = (
            f"{count(counts['events'], 'event')} of {count(counts['active_users'], 'user')} "
            f"on {count(counts['active_items'], 'item')}"
        )
        errors = sum(finding.severity == "error" for finding in self.findings)
        warnings = sum(finding.severity == "warning" for finding in self.findings)
        if errors:
            return f"{size}: {count(errors, 'error')} and {count(warnings, 'warning')} to look at."
        return f"{size}: {count(warnings, 'warning')} to look at." if warnings else f"{size}: nothing suspicious."

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {
            "sentence": self.sentence,
            "worst": self.worst,
            "findings": [{"severity": f.severity, "topic": f.topic, "sentence": f.sentence} for f in self.findings],
            **self.numbers,
        }


def check(reading: Reading, now: float | None = None) -> Check:
    """Look at what was read: counts, times, gaps, duplicates, unknown ids, values, leakage, bots, texts, vectors.

    Args:
        reading: from ``recloop.data.source.read``.
        now: the present (seconds since 1970), to find events of the future; None leaves that out.

    >>> import polars as pl
    >>> from recloop.data.dataset import Dataset
    >>> from recloop.data.source import Source
    >>> log = pl.DataFrame({"user": ["a", "b", "b"], "item": ["x", "x", "y"], "time": [1e9, 1e9 + 60, 1e9 + 90]})
    >>> found = check(Reading(Dataset.of(log), (), Source(events="log.csv")))
    >>> found.numbers["counts"]["active_users"], found.numbers["time"]["first"]
    (2, '2001-09-09T01:46:40+00:00')
    """
    data = reading.dataset
    sections = (
        rows.files(reading),
        counts.counts(data),
        time.time(data, now),
        rows.missing(data),
        rows.duplicates(data),
        rows.unknown(reading),
        rows.ids(data),
        counts.values(data),
        counts.activity(data),
        leakage.leakage(data),
        bots.bots(data),
        bursts.bursts(data),
        text.text(data),
        vectors.vectors(data),
    )
    numbers: dict[str, Any] = {}
    findings: list[Finding] = []
    for figures, found in sections:
        numbers |= figures
        findings += found
    rank = {"error": 0, "warning": 1, "info": 2}
    return Check(numbers, tuple(sorted(findings, key=lambda finding: rank[finding.severity])))
