"""Which strategies failed for a request and why, as its decision tells it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FAILED = "failed"
"""Where a decision's details tell, strategy or policy → why; it is not there where all did their work."""


def kind_of(why: str) -> str:
    """What may be kept of a reason: the type of an error, for its message may hold what a user sent.

    >>> kind_of("RuntimeError: no such user: eva"), kind_of("it did not answer within 0.2 seconds")
    ('RuntimeError', 'it did not answer within 0.2 seconds')
    """
    return why.partition(":")[0]


def with_failed(
    details: Sequence[Mapping[str, Any]] | None, rows: Mapping[str, NDArray[np.bool_]], why: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Details of n decisions with what failed for each.

    Args:
        details: as they are; None where there are none.
        rows: name → (n,) the requests for which it failed.
        why: name → the reason.

    >>> with_failed(None, {"ease": np.array([True, False])}, {"ease": "scores that are not numbers"})
    [{'failed': {'ease': 'scores that are not numbers'}}, {}]
    """
    n = len(next(iter(rows.values())))
    told: list[Mapping[str, Any]] = list(details or [{}] * n)
    for name, broken in rows.items():
        for row in np.flatnonzero(broken).tolist():
            told[row] = {**told[row], FAILED: {**told[row].get(FAILED, {}), name: kind_of(why[name])}}
    return told


def together(parts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What failed in any part of a slate, such as its slots."""
    return {name: why for part in parts for name, why in part.get(FAILED, {}).items()}
