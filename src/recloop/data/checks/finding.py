from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth knowing about the data.

    Attributes:
        severity: ``error`` (a run would fail or mislead), ``warning`` (look at it), ``info``.
        topic: rows, time, duplicates, unknown, values, users, items, leakage, bots, bursts, text, vectors.
        sentence: what it is, with the numbers, and what to do.
    """

    severity: Severity
    topic: str
    sentence: str


Section = tuple[dict[str, Any], list[Finding]]  # what one part of the check gives: figures and findings


def error(topic: str, sentence: str) -> Finding:
    """A run would fail or mislead."""
    return Finding("error", topic, sentence)


def warning(topic: str, sentence: str) -> Finding:
    """Somebody should look at it."""
    return Finding("warning", topic, sentence)


def info(topic: str, sentence: str) -> Finding:
    """Good to know."""
    return Finding("info", topic, sentence)


def moment(seconds: float) -> str:
    """A moment as ISO-8601, UTC.

    >>> moment(1e9)
    '2001-09-09T01:46:40+00:00'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.6g} s"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "user"), count(2000, "user")
    ('1 user', '2,000 users')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
